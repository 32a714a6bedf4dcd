//! One call of the API: its address, who may make it, what answers it, what the description says of it.
//!
//! Routes and the OpenAPI document are both made from the same list of calls, so neither can know one that the other lacks.

use std::collections::BTreeMap;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{ServiceConfig, resource, scope, to};
use actix_web::{Error, Route};
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{HttpMethod, ParameterIn};

use crate::domain::scope::{Caller, Scope};
use crate::web::api::openapi::description::Description;
use crate::web::api::parameters::pairs;
use crate::web::error::{ApiError, FieldError, method_not_allowed, not_found};

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
        let route = (call.route)();
        let route = if takes_parameters(call) {
            route
        } else {
            route.wrap(from_fn(refuse_parameters))
        };
        resources.insert(call.path, known.route(route));
    }
    // Where a fixed word and `{id}` both fit, the word comes first: `{` sorts after every letter.
    let whole = resources
        .into_values()
        .fold(scope(BASE), actix_web::Scope::service)
        .default_service(to(not_found));
    config.service(whole);
}

/// A call with parameters names the bad ones itself.
fn takes_parameters(call: &Call) -> bool {
    let parameters = (call.description)().operation.parameters;
    parameters.into_iter().flatten().any(
        |parameter| matches!(parameter, RefOr::T(known) if known.parameter_in == ParameterIn::Query),
    )
}

/// Refuses every parameter of a call that has none, to those who may ask.
async fn refuse_parameters(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if !request.query_string().is_empty() {
        request.extract::<Caller>().await?;
        let unknown = pairs(request.query_string())
            .into_iter()
            .map(|(name, _)| FieldError::new(name, "is not known here; this call has none"))
            .collect();
        return Err(ApiError::Invalid(unknown).into());
    }
    next.call(request).await
}
