//! The route table: it is complete, it admits only the callers that it names, and the handlers of
//! the API describe the same paths.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bluetick::domain::scope::Scope;
use bluetick::web::route_registration::{RouteAccess, RouteEntry, RouteGroup, RouteMethod};
use bluetick::web::routes;
use reqwest::{Client, StatusCode, redirect};
use utoipa::openapi::HttpMethod;

use crate::harness::app::start_app;

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
        assert!(matches!(route.access, RouteAccess::Scoped(_)));
    }
}

#[actix_web::test]
async fn every_route_admits_only_the_callers_that_the_table_names() {
    let app = start_app().await;
    let client = Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .build()
        .unwrap();
    for route in routes() {
        let name = format!("{} {}", method(&route), route.path);
        let request = || client.request(method(&route).parse().unwrap(), app.url(&path(&route)));
        let reply = request().send().await.unwrap();
        let status = reply.status();
        match (route.access, route.group) {
            (RouteAccess::Anyone | RouteAccess::ScopedOrLocal(_), _) => {
                assert_ne!(status, StatusCode::UNAUTHORIZED, "{name}");
            }
            (RouteAccess::UrlToken, _) => assert!(
                [StatusCode::NOT_FOUND, StatusCode::UNAUTHORIZED].contains(&status),
                "{name}: {status}"
            ),
            (RouteAccess::Scoped(_), RouteGroup::Page) => {
                assert_eq!(status, StatusCode::SEE_OTHER, "{name}");
                let location = reply.headers()["location"].to_str().unwrap();
                assert!(location.starts_with("/login"), "{name}: {location}");
            }
            (RouteAccess::Scoped(_), RouteGroup::Api | RouteGroup::Plain) => {
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{name}");
            }
        }
        let RouteAccess::Scoped(needed) = route.access else {
            continue;
        };
        for scope in Scope::ALL {
            let reply = request()
                .bearer_auth(app.token(scope))
                .send()
                .await
                .unwrap();
            assert_eq!(
                reply.status() != StatusCode::FORBIDDEN,
                scope.implies(needed),
                "{name} as {scope}: {}",
                reply.status()
            );
        }
    }
    app.finish().await;
}
