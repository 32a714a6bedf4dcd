//! What every response carries, and which names of the server are known.

use std::collections::BTreeSet;

use bluetick::domain::scope::Scope;
use bluetick::web::route_registration::{RouteEntry, RouteGroup, RouteMethod};
use bluetick::web::routes;
use reqwest::{Client, Response, redirect};
use serde_json::json;
use uuid::Uuid;

use crate::harness::app::{App, SOBOT, start_app};

fn client() -> Client {
    let redirects = redirect::Policy::none();
    let client = Client::builder().no_proxy().redirect(redirects);
    client.build().unwrap()
}

fn path(route: &RouteEntry) -> String {
    let replaced = route.path.replace("{id}", &Uuid::nil().to_string());
    replaced.replace(['{', '}'], "")
}

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    let value = response.headers().get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

async fn call(app: &App, method: &str, path: &str) -> Response {
    let request = client().request(method.parse().unwrap(), app.url(path));
    let request = request.bearer_auth(app.token(Scope::Read));
    request.send().await.unwrap()
}

#[actix_web::test]
async fn every_response_has_an_id_of_its_own_and_its_type_is_final() {
    let app = start_app().await;
    let mut ids = BTreeSet::new();
    let mut count = 0;
    let unknown = ["/nothing", "/api/v1/nothing", "/api/v1/accounts?x=1"].map(str::to_owned);
    let paths = routes().iter().map(path).chain(unknown).collect::<Vec<_>>();
    for path in paths {
        for method in ["GET", "HEAD", "POST", "DELETE"] {
            let response = call(&app, method, &path).await;
            let id = header(&response, "x-request-id");
            assert!(Uuid::parse_str(id).is_ok(), "{method} {path}: {id}");
            ids.insert(id.to_owned());
            count += 1;
            let sniffing = header(&response, "x-content-type-options");
            assert_eq!(sniffing, "nosniff", "{method} {path}");
        }
    }
    assert_eq!(ids.len(), count);
    let request = client().get(app.url("/healthz"));
    let response = request.header("X-Request-Id", "mine").send().await.unwrap();
    assert!(Uuid::parse_str(header(&response, "x-request-id")).is_ok());
    app.finish().await;
}

#[actix_web::test]
async fn no_response_of_the_api_is_stored_by_caches() {
    let app = start_app().await;
    for route in routes() {
        if route.group == RouteGroup::Api {
            let response = call(&app, "GET", &path(&route)).await;
            assert_eq!(
                header(&response, "cache-control"),
                "no-store",
                "{}",
                route.path
            );
        }
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_method_that_is_not_allowed_is_answered_with_those_that_are() {
    let app = start_app().await;
    for route in routes() {
        if route.method == RouteMethod::Any {
            continue;
        }
        let response = call(&app, "DELETE", &path(&route)).await;
        assert_eq!(response.status(), 405, "{}", route.path);
        let allowed: Vec<&str> = header(&response, "allow").split(", ").collect();
        let method = match route.method {
            RouteMethod::Post => "POST",
            RouteMethod::Get | RouteMethod::Any => "GET",
        };
        assert!(allowed.contains(&method), "{}: {allowed:?}", route.path);
        for allowed in allowed {
            let response = call(&app, allowed, &path(&route)).await;
            assert_ne!(response.status(), 405, "{allowed} {}", route.path);
        }
    }
    app.finish().await;
}

/// A page of another site could make its own name lead to this server.
#[actix_web::test]
async fn an_unknown_host_gets_no_page_and_no_local_rights_but_its_callbacks_are_kept() {
    let app = start_app().await;
    let call = async |path: &str, host: &str| {
        let request = client().get(app.url(path)).header("Host", host);
        request.send().await.unwrap().status().as_u16()
    };
    for path in [
        "/",
        "/login",
        "/metrics",
        "/api/v1/messages",
        "/static/app.css",
    ] {
        assert_eq!(call(path, "evil.example").await, 421, "{path}");
        assert_ne!(call(path, "localhost:99").await, 421, "{path}");
        assert_ne!(call(path, "127.0.0.1").await, 421, "{path}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(call(path, "evil.example").await, 200, "{path}");
    }
    let request = client().get(app.url("/api/v1/messages"));
    let request = request.header("Host", "bluetick.internal:8080");
    let response = request.bearer_auth(app.token(Scope::Read)).send().await;
    assert_eq!(response.unwrap().status(), 200);
    let callback = client().post(app.callback_url(SOBOT));
    let callback = callback.header("Host", "old-name.example");
    let response = callback.json(&json!({ "test": "yes" })).send().await;
    assert_eq!(response.unwrap().status(), 200);
    app.apply_callbacks().await;
    assert_eq!(app.callbacks().await[0]["outcome"], "probe");
    let request = client().get(app.url("/login"));
    let response = request.header("Host", "evil.example").send().await.unwrap();
    let text = response.text().await.unwrap();
    assert!(text.contains("public_url"), "{text}");
    app.finish().await;
}

#[actix_web::test]
async fn an_error_page_shows_the_status_of_its_response() {
    let app = start_app().await;
    for (method, path, status) in [("GET", "/nowhere", 404), ("PUT", "/login", 405)] {
        let response = app.request(method, path).send().await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        let page = response.text().await.unwrap();
        assert!(page.contains(&format!(">{status}<")), "{page}");
    }
    app.finish().await;
}
