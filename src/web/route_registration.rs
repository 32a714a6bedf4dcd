//! The entries of the route table in `routes`, and the actix resources and access checks that are
//! built from it.

use std::collections::BTreeMap;
use std::future::{Ready, ready};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::CACHE_CONTROL;
use actix_web::middleware::{DefaultHeaders, Next, from_fn};
use actix_web::web::{ServiceConfig, resource, scope, to};
use actix_web::{Error, HttpResponse, Resource, Route, guard};
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::ParameterIn;

use crate::web::api::api_operation::ApiOperation;
use crate::web::api::parameters::pairs;
use crate::web::caller_check;
use crate::web::dashboard::page_response;
use crate::web::error::ApiError;
use crate::web::page_errors;
use crate::web::pasted_url;
use crate::web::problem_json::FieldError;
pub(crate) use crate::web::route_access::API_BASE;
pub use crate::web::route_access::RouteAccess;
use crate::web::session_cookie::SessionCookies;
use crate::web::web_state;

/// Paths that providers and WhatsApp's servers call.
const CALLBACK_PATHS: [&str; 3] = ["/callbacks/", "/reports/", MEDIA_PATH];
/// Uploaded files, whose download may take long.
const MEDIA_PATH: &str = "/media/";
/// Served by every listener, and also while other requests are refused.
pub(crate) const HEALTH_PATH: &str = "/healthz";

/// Pages load nothing from other origins, and other sites cannot frame them.
const PAGE_POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What responses of a route have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RouteGroup {
    /// Plain, and served also while the main database is migrated.
    Always,
    /// For clients that do not use the API: providers that fetch a file, Prometheus.
    Plain,
    /// JSON below `/api/v1`; described by `/api/openapi.json`.
    Api,
    /// HTML, also for errors.
    Page,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RouteMethod {
    Any,
    /// Includes HEAD, except in the API.
    Get,
    Post,
}

/// The part of the routes that a listener serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServedRoutes {
    All,
    /// What providers call, and the health of the process.
    Callbacks,
    AllButCallbacks,
}

impl ServedRoutes {
    fn contains(self, path: &str) -> bool {
        match self {
            Self::All => true,
            Self::Callbacks => is_callback_path(path) || path == HEALTH_PATH,
            Self::AllButCallbacks => !is_callback_path(path),
        }
    }
}

pub(crate) fn is_callback_path(path: &str) -> bool {
    // A pasted URL may have doubled slashes.
    let path = path.trim_start_matches('/');
    let mut prefixes = CALLBACK_PATHS.iter();
    prefixes.any(|prefix| path.starts_with(&prefix[1..]))
}

pub(crate) fn is_media_path(path: &str) -> bool {
    path.trim_start_matches('/').starts_with(&MEDIA_PATH[1..])
}

#[derive(Clone, Copy, Debug)]
pub struct RouteEntry {
    pub group: RouteGroup,
    pub method: RouteMethod,
    pub path: &'static str,
    pub access: RouteAccess,
    pub(crate) handler: fn() -> Route,
    /// The `#[utoipa::path]` of the handler.
    pub(crate) description: Option<fn() -> OpenApi>,
}

/// Builds `Vec<RouteEntry>` from groups of `METHOD "path", access, handler;`.
macro_rules! route_table {
    ($($group:ident {
        $($method:ident $path:literal, $access:expr, $($handler:ident)::+;)+
    })+) => {
        vec![$($($crate::web::route_registration::RouteEntry {
            group: $crate::web::route_registration::RouteGroup::$group,
            method: $crate::web::route_registration::RouteMethod::$method,
            path: $path,
            access: $access,
            handler: || ::actix_web::web::to($($handler)::+),
            description: route_table!(@description $group $($handler)::+),
        }),+),+]
    };
    (@description Api $($handler:ident)::+) => {
        Some(|| {
            #[derive(utoipa::OpenApi)]
            #[openapi(paths($($handler)::+))]
            struct Description;
            <Description as utoipa::OpenApi>::openapi()
        })
    };
    (@description $group:ident $($handler:ident)::+) => {
        None
    };
}
pub(crate) use route_table;

impl RouteEntry {
    /// The operation of an API route, as its handler describes it.
    pub fn operation(&self) -> Option<ApiOperation> {
        ApiOperation::new(self.description?())
    }

    fn route(&self, cookies: SessionCookies<'_>) -> Route {
        let route = (self.handler)();
        let route = match (self.method, self.group) {
            (RouteMethod::Any, _) => route,
            (RouteMethod::Post, _) => route.guard(guard::Post()),
            (RouteMethod::Get, RouteGroup::Api) => route.guard(guard::Get()),
            (RouteMethod::Get, RouteGroup::Always | RouteGroup::Plain | RouteGroup::Page) => {
                route.guard(guard::Any(guard::Get()).or(guard::Head()))
            }
        };
        let route = match self.operation() {
            Some(operation) if !operation.has_parameter(&ParameterIn::Query) => {
                route.wrap(from_fn(reject_parameters))
            }
            Some(_) | None => route,
        };
        let route = match self.access {
            access @ (RouteAccess::Scoped(_) | RouteAccess::PerAccount(_)) => {
                route.wrap(from_fn(move |request, next| check(access, request, next)))
            }
            RouteAccess::ScopedOrLocal(_) => route.wrap(cookies.middleware()),
            RouteAccess::Anyone | RouteAccess::UrlToken => route,
        };
        match self.group {
            RouteGroup::Always => route,
            RouteGroup::Plain | RouteGroup::Api | RouteGroup::Page => {
                route.wrap(from_fn(web_state::refuse_while_upgrading))
            }
        }
    }
}

/// Registers every route that is served. Unknown paths and methods are answered as problems, below
/// the dashboard as pages. Session cookies are read where a caller may have one, so not for callbacks.
pub(crate) fn register(
    config: &mut ServiceConfig,
    table: &[RouteEntry],
    served: ServedRoutes,
    cookies: SessionCookies<'_>,
) {
    let served_routes = table.iter().filter(|entry| served.contains(entry.path));
    let table: Vec<RouteEntry> = served_routes.copied().collect();
    let table = table.as_slice();
    for group in [RouteGroup::Always, RouteGroup::Plain] {
        for plain in resources(table, group, cookies) {
            config.service(plain);
        }
    }
    if served == ServedRoutes::Callbacks {
        config.default_service(to(not_found));
        return;
    }
    let api = resources(table, RouteGroup::Api, cookies)
        .into_iter()
        .fold(scope(API_BASE), actix_web::Scope::service)
        .default_service(to(not_found))
        .wrap(DefaultHeaders::new().add((CACHE_CONTROL, "no-store")))
        .wrap(cookies.middleware());
    config.service(api);
    // Last: its default service answers every other path.
    let pages = resources(table, RouteGroup::Page, cookies)
        .into_iter()
        .fold(scope(""), actix_web::Scope::service)
        .default_service(to(not_found))
        .wrap(from_fn(page_response::render_pages))
        .wrap(from_fn(page_errors::show))
        .wrap(
            DefaultHeaders::new()
                .add(("Content-Security-Policy", PAGE_POLICY))
                .add(("Referrer-Policy", "same-origin")),
        )
        .wrap(cookies.middleware());
    config.service(pages);
}

/// One resource per pattern. Sorted, because actix takes the first that matches: `{` sorts after every
/// letter, so a fixed word precedes `{id}`.
fn resources(
    table: &[RouteEntry],
    group: RouteGroup,
    cookies: SessionCookies<'_>,
) -> Vec<Resource> {
    let mut resources: BTreeMap<String, (Resource, Vec<RouteMethod>)> = BTreeMap::new();
    for entry in table.iter().filter(|entry| entry.group == group) {
        let path = match group {
            RouteGroup::Api => entry.path.strip_prefix(API_BASE).unwrap_or(entry.path),
            RouteGroup::Always | RouteGroup::Plain | RouteGroup::Page => entry.path,
        };
        for pattern in patterns(path, entry.access) {
            let (known, mut methods) = resources
                .remove(&pattern)
                .unwrap_or_else(|| (resource(pattern.as_str()), Vec::new()));
            methods.push(entry.method);
            resources.insert(pattern, (known.route(entry.route(cookies)), methods));
        }
    }
    let has_head = group != RouteGroup::Api;
    resources
        .into_values()
        .map(|(resource, methods)| {
            let allowed = allowed_methods(&methods, has_head);
            resource.default_service(to(move || method_not_allowed(allowed)))
        })
        .collect()
}

/// For the header `Allow`.
fn allowed_methods(methods: &[RouteMethod], has_head: bool) -> &'static str {
    let has = |method| methods.contains(&method);
    match (has(RouteMethod::Get), has(RouteMethod::Post)) {
        (true, true) if has_head => "GET, HEAD, POST",
        (true, true) => "GET, POST",
        (true, false) if has_head => "GET, HEAD",
        (true, false) => "GET",
        (false, _) => "POST",
    }
}

/// The pattern of a path. URLs that people paste have two, since the one that allows mistakes is slow.
fn patterns(path: &str, access: RouteAccess) -> Vec<String> {
    match access {
        RouteAccess::UrlToken => vec![
            pasted_url::exact_pattern(path),
            pasted_url::tolerant_pattern(path),
        ],
        RouteAccess::Anyone
        | RouteAccess::Scoped(_)
        | RouteAccess::PerAccount(_)
        | RouteAccess::ScopedOrLocal(_) => vec![path.to_owned()],
    }
}

async fn check(
    access: RouteAccess,
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match caller_check::admit(&mut request, access).await {
        Ok(()) => next.call(request).await,
        // A response and not an `Err`, which would bypass the middleware of pages.
        Err(error) => Ok(request.error_response(error)),
    }
}

fn method_not_allowed(allowed: &'static str) -> Ready<Result<HttpResponse, ApiError>> {
    ready(Err(ApiError::MethodNotAllowed { allowed }))
}

pub fn not_found() -> Ready<Result<HttpResponse, ApiError>> {
    ready(Err(ApiError::NotFound))
}

/// Rejects every parameter of a call that has none.
async fn reject_parameters(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if !request.query_string().is_empty() {
        let unknown = pairs(request.query_string())
            .into_iter()
            .map(|(name, _)| FieldError::new(name, "is not known here; this call has none"))
            .collect();
        // A response and not an `Err`, which would bypass the other middleware.
        let rejected = request.error_response(ApiError::Invalid(unknown));
        return Ok(rejected.map_into_right_body());
    }
    Ok(next.call(request).await?.map_into_left_body())
}
