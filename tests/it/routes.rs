//! The route table: it is complete, it admits only the callers that it names, and the handlers of
//! the API describe the same paths.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bluetick::domain::scope::{Scope, Scopes};
use bluetick::domain::user::Role;
use bluetick::web::route_registration::{RouteAccess, RouteEntry, RouteGroup, RouteMethod};
use bluetick::web::routes;
use chrono::TimeDelta;
use reqwest::{RequestBuilder, StatusCode};
use utoipa::openapi::HttpMethod;

use crate::harness::app::{App, SOBOT, start_app};
use crate::harness::people::{Browser, limited_token, sign_in_new};

const UNKNOWN_ID: &str = "01a1f8e1-a5a0-7000-8000-000000000000";

/// A path of the route, about something that does not exist.
fn path(route: &RouteEntry) -> String {
    route
        .path
        .replace("{id}", UNKNOWN_ID)
        .replace("{account}", "unknown")
        .replace("{token}", "unknown")
        .replace("{phone}", "919900000000")
        .replace("{kind}", "uncertain")
        .replace("{name}", "app.css")
}

fn method(route: &RouteEntry) -> &'static str {
    match route.method {
        RouteMethod::Get => "GET",
        RouteMethod::Post | RouteMethod::Any => "POST",
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn no_route_is_registered_outside_the_table() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web");
    let files = sources(&folder);
    assert!(files.len() > 50);
    for file in files {
        if file.ends_with("route_registration.rs") {
            continue;
        }
        let source = std::fs::read_to_string(&file).unwrap();
        for call in [".route(", ".service(", "resource(", "#[get(", "#[post("] {
            assert!(!source.contains(call), "{}: {call}", file.display());
        }
    }
}

#[test]
fn no_method_of_a_path_is_listed_twice() {
    let mut seen = BTreeSet::new();
    for route in routes() {
        assert!(
            seen.insert((route.path, method(&route))),
            "{} {}",
            method(&route),
            route.path
        );
    }
    assert!(seen.len() > 50);
}

#[test]
fn every_handler_of_the_api_describes_the_path_and_method_of_its_route() {
    for route in routes() {
        let Some(operation) = route.operation() else {
            assert_ne!(route.group, RouteGroup::Api, "{}", route.path);
            continue;
        };
        assert_eq!(route.group, RouteGroup::Api, "{}", route.path);
        assert_eq!(operation.path, route.path);
        let described = operation.method == HttpMethod::Get;
        assert_eq!(
            described,
            route.method == RouteMethod::Get,
            "{}",
            route.path
        );
        assert!(route.access.scope().is_some());
    }
}

/// A kind of caller, and what the route table grants it.
struct Visitor {
    name: String,
    browser: Browser,
    token: Option<String>,
    /// None for one that is not accepted.
    scopes: Option<Scopes>,
    is_limited: bool,
}

impl Visitor {
    fn by_token(name: &str, token: &str, scopes: Option<&str>) -> Self {
        let scopes = scopes.map(|scopes| scopes.parse().unwrap());
        Self {
            token: Some(token.to_owned()),
            ..Self::by_browser(name, Browser::new(), scopes)
        }
    }

    fn by_browser(name: &str, browser: Browser, scopes: Option<Scopes>) -> Self {
        Self {
            name: name.to_owned(),
            browser,
            token: None,
            scopes,
            is_limited: false,
        }
    }

    fn request(&self, app: &App, method: &str, path: &str) -> RequestBuilder {
        let request = self.browser.request(app, method, path);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }
}

/// Every kind of caller: no one, each scope, each role, and what no longer works.
async fn visitors(app: &App) -> Vec<Visitor> {
    let mut all = vec![Visitor::by_browser("no one", Browser::new(), None)];
    for scope in Scope::ALL {
        let name = format!("a token with {scope}");
        all.push(Visitor::by_token(
            &name,
            app.token(scope),
            Some(scope.as_str()),
        ));
    }
    let limited = limited_token(app, "send,operate", Some(SOBOT), None).await;
    all.push(Visitor {
        is_limited: true,
        ..Visitor::by_token("a limited token", &limited, Some("send,operate"))
    });
    let end = app.now() + TimeDelta::minutes(1);
    let expired = limited_token(app, "admin", None, Some(end)).await;
    let revoked = limited_token(app, "admin", None, None).await;
    let store = &app.services.store;
    let found = store
        .find_token(&revoked, app.now())
        .await
        .unwrap()
        .unwrap();
    assert!(store.revoke_token(found.id, app.now(), None).await.unwrap());
    app.advance(TimeDelta::minutes(1));
    all.push(Visitor::by_token("an expired token", &expired, None));
    all.push(Visitor::by_token("a revoked token", &revoked, None));
    for role in Role::ALL {
        let email = format!("{}@example.com", role.as_str());
        let (_, browser) = sign_in_new(app, &email, role).await;
        all.push(Visitor::by_browser(&email, browser, Some(role.scopes())));
    }
    let (_, mut browser) = sign_in_new(app, "gone@example.com", Role::Admin).await;
    let ended = browser.cookie.clone();
    browser.post(app, "/logout", &[]).await;
    browser.cookie = ended;
    all.push(Visitor::by_browser("an ended session", browser, None));
    all
}

/// Whether the table admits a caller; `Err` with the status of its refusal.
fn expected(route: &RouteEntry, visitor: &Visitor) -> Result<(), StatusCode> {
    let Some(scope) = route.access.scope() else {
        return Ok(());
    };
    match &visitor.scopes {
        None if route.group == RouteGroup::Page => Err(StatusCode::SEE_OTHER),
        None => Err(StatusCode::UNAUTHORIZED),
        Some(scopes) if !scopes.allow(scope) => Err(StatusCode::FORBIDDEN),
        Some(_) if visitor.is_limited && !matches!(route.access, RouteAccess::PerAccount(_)) => {
            Err(StatusCode::FORBIDDEN)
        }
        Some(_) => Ok(()),
    }
}

#[actix_web::test]
async fn every_route_admits_only_the_callers_that_the_table_names() {
    let app = start_app().await;
    let visitors = visitors(&app).await;
    assert_eq!(visitors.len(), 12);
    for route in routes() {
        for visitor in &visitors {
            let name = format!("{} {} for {}", method(&route), route.path, visitor.name);
            let is_session = visitor.browser.cookie.is_some();
            if route.path == "/logout" && is_session {
                // Would end it; `people` has the tests.
                continue;
            }
            let request = visitor.request(&app, method(&route), &path(&route));
            let reply = request.send().await.unwrap();
            let status = reply.status();
            match (route.access, expected(&route, visitor)) {
                (RouteAccess::UrlToken, _) => assert!(
                    [StatusCode::NOT_FOUND, StatusCode::UNAUTHORIZED].contains(&status),
                    "{name}: {status}"
                ),
                (RouteAccess::Anyone | RouteAccess::ScopedOrLocal(_), _) => {
                    assert_ne!(status, StatusCode::UNAUTHORIZED, "{name}");
                }
                (_, Err(StatusCode::SEE_OTHER)) => {
                    assert_eq!(status, StatusCode::SEE_OTHER, "{name}");
                    let location = reply.headers()["location"].to_str().unwrap();
                    assert!(location.starts_with("/login"), "{name}: {location}");
                }
                (_, Err(refusal)) => assert_eq!(status, refusal, "{name}"),
                (_, Ok(())) => {
                    let refusals = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
                    assert!(!refusals.contains(&status), "{name}: {status}");
                    assert!(!status.is_server_error(), "{name}: {status}");
                    let to = reply.headers().get("location");
                    let is_login = to.is_some_and(|to| to.as_bytes().starts_with(b"/login"));
                    assert!(!is_login || route.path == "/logout", "{name}");
                }
            }
        }
    }
    app.finish().await;
}

#[actix_web::test]
async fn no_caller_may_use_a_method_that_the_table_does_not_name() {
    let app = start_app().await;
    let visitors = visitors(&app).await;
    let known: BTreeSet<(&str, &str)> = routes()
        .iter()
        .map(|route| (route.path, method(route)))
        .collect();
    for route in routes() {
        if route.method == RouteMethod::Any {
            continue;
        }
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if known.contains(&(route.path, method)) {
                continue;
            }
            for visitor in &visitors {
                let request = visitor.request(&app, method, &path(&route));
                let status = request.send().await.unwrap().status();
                assert_eq!(
                    status,
                    StatusCode::METHOD_NOT_ALLOWED,
                    "{method} {} for {}",
                    route.path,
                    visitor.name
                );
            }
        }
    }
    app.finish().await;
}

/// A mistyped scope would open an action to all who may read.
#[test]
fn readers_change_nothing_but_their_own_sign_in() {
    for route in routes() {
        let changes = route.method == RouteMethod::Post;
        let Some(scope) = route.access.scope().filter(|_| changes) else {
            continue;
        };
        let own = [
            "/settings/password",
            "/settings/sessions/",
            "/settings/zone",
        ];
        let is_own = own.iter().any(|prefix| route.path.starts_with(prefix));
        assert_eq!(scope == Scope::Read, is_own, "{}", route.path);
    }
    for route in routes() {
        let administers = [
            "/settings/users",
            "/settings/tokens",
            "/audit",
            "/api/v1/audit",
        ];
        if administers
            .iter()
            .any(|prefix| route.path.starts_with(prefix))
        {
            assert_eq!(route.access.scope(), Some(Scope::Admin), "{}", route.path);
        }
    }
}
