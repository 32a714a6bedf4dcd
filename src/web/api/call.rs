//! One call of the API: its address, who may make it, what answers it, what the description says of it.
//!
//! Routes and the OpenAPI document are both made from the same list of calls, so neither can know one that the other lacks.

use std::collections::BTreeMap;

use actix_web::Route;
use actix_web::web::{ServiceConfig, resource, scope, to};
use utoipa::openapi::path::HttpMethod;

use crate::domain::access::Scope;
use crate::web::api::openapi::description::Description;
use crate::web::error::{method_not_allowed, not_found};

/// Where every call lives.
pub(crate) const BASE: &str = "/api/v1";

/// One call.
pub(crate) struct Call {
    /// Its method.
    pub(crate) method: HttpMethod,
    /// Its address below [`BASE`].
    pub(crate) path: &'static str,
    /// What its caller needs; the handler asks for it.
    pub(crate) scope: Scope,
    /// What the description says.
    pub(crate) description: fn() -> Description,
    route: fn() -> Route,
}

/// A call that only looks.
pub(crate) fn get(
    path: &'static str,
    scope: Scope,
    route: fn() -> Route,
    description: fn() -> Description,
) -> Call {
    Call {
        method: HttpMethod::Get,
        path,
        scope,
        description,
        route,
    }
}

/// A call that changes something.
pub(crate) fn post(
    path: &'static str,
    scope: Scope,
    route: fn() -> Route,
    description: fn() -> Description,
) -> Call {
    Call {
        method: HttpMethod::Post,
        ..get(path, scope, route, description)
    }
}

/// Makes every call answer; other methods and addresses are refused as problems.
pub(crate) fn register(config: &mut ServiceConfig, calls: &[Call]) {
    let mut resources: BTreeMap<&str, actix_web::Resource> = BTreeMap::new();
    for call in calls {
        let known = resources
            .remove(call.path)
            .unwrap_or_else(|| resource(call.path).default_service(to(method_not_allowed)));
        resources.insert(call.path, known.route((call.route)()));
    }
    // Where a fixed word and `{id}` both fit, the word comes first: `{` sorts after every letter.
    let whole = resources
        .into_values()
        .fold(scope(BASE), actix_web::Scope::service)
        .default_service(to(not_found));
    config.service(whole);
}
