//! `/api/openapi.json`: the OpenAPI document, assembled from the route table and the
//! `#[utoipa::path]` of each handler. Readable by anyone.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use utoipa::openapi::path::{HttpMethod, ParameterIn, PathItem, Paths};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ComponentsBuilder, Info, OpenApi, OpenApiBuilder, Server};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::scope::Scope;
use crate::web::api::api_operation::ApiOperation;
use crate::web::api::documented_responses::problem_responses;
use crate::web::api::value_schema::{TIME_ZONE, time_zone};
use crate::web::problem_code::ProblemCode;
use crate::web::problem_json::{FieldError, Problem};
use crate::web::route_registration::{API_BASE, RouteAccess, RouteEntry};
use crate::web::session_cookie::cookie_name;

/// The document, serialised once per process.
#[derive(Clone, Debug)]
pub struct OpenApiDocument {
    text: String,
    tag: String,
}

impl OpenApiDocument {
    pub fn new(public_url: &str, routes: &[RouteEntry]) -> Self {
        let text = simplify(assemble(public_url, routes)).to_string();
        let hash = URL_SAFE_NO_PAD.encode(&Sha256::digest(&text)[..12]);
        Self {
            text,
            tag: format!("\"{hash}\""),
        }
    }
}

pub(crate) async fn show(
    document: web::Data<OpenApiDocument>,
    request: HttpRequest,
) -> HttpResponse {
    let known = request
        .headers()
        .get(IF_NONE_MATCH)
        .is_some_and(|tag| tag.as_bytes() == document.tag.as_bytes());
    let mut response = if known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .insert_header((ETAG, document.tag.clone()))
        .content_type("application/json");
    if known {
        response.finish()
    } else {
        response.body(document.text.clone())
    }
}

fn assemble(public_url: &str, routes: &[RouteEntry]) -> OpenApi {
    let mut paths = Paths::new();
    let mut schemas = BTreeMap::from([
        (Problem::name().into_owned(), Problem::schema()),
        (FieldError::name().into_owned(), FieldError::schema()),
        (TIME_ZONE.to_owned(), time_zone()),
    ]);
    for route in routes {
        let (Some(scope), Some(described)) = (route.access.scope(), route.operation()) else {
            continue;
        };
        let limit = match route.access {
            RouteAccess::PerAccount(_) => None,
            _ => Some(ProblemCode::AccountLimited),
        };
        let operation = complete(described, route.path, scope, limit, &mut schemas);
        match paths.paths.get_mut(route.path) {
            Some(known) => known.merge_operations(operation),
            None => {
                paths.paths.insert(route.path.to_owned(), operation);
            }
        }
    }
    let components = schemas
        .into_iter()
        .fold(ComponentsBuilder::new(), |components, (name, schema)| {
            components.schema(name, schema)
        })
        .security_scheme("bearer", bearer())
        .security_scheme("session", session(cookie_name(public_url)))
        .build();
    let mut info = Info::new("Bluetick", env!("CARGO_PKG_VERSION"));
    info.description = Some(DESCRIPTION.to_owned());
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([Server::new(public_url)]))
        .paths(paths)
        .components(Some(components))
        .build()
}

/// Adds what follows from the route: tag, scope, and the problems of its kind.
fn complete(
    described: ApiOperation,
    path: &str,
    scope: Scope,
    limit: Option<ProblemCode>,
    schemas: &mut BTreeMap<String, utoipa::openapi::RefOr<utoipa::openapi::Schema>>,
) -> PathItem {
    let mut problems = list_problems(&described);
    problems.extend(limit);
    let problems = problem_responses(&problems);
    let mut operation = described.operation;
    schemas.extend(described.schemas);
    operation.tags = Some(vec![tag(path)]);
    operation.security = Some(
        ["bearer", "session"]
            .map(|scheme| SecurityRequirement::new(scheme, [scope.as_str()]))
            .to_vec(),
    );
    let description = operation.description.take();
    let description = description.map_or_else(String::new, |text| text + "\n\n");
    operation.description = Some(format!("{description}Needs the scope `{scope}`."));
    operation.responses.responses.extend(problems);
    PathItem::new(described.method, operation)
}

/// The problems that every operation of this shape can have.
fn list_problems(described: &ApiOperation) -> Vec<ProblemCode> {
    let mut problems = BTreeSet::from([
        ProblemCode::Unauthenticated,
        ProblemCode::MissingScope,
        ProblemCode::Internal,
        ProblemCode::Upgrading,
        ProblemCode::Unavailable,
        // A parameter that the operation does not have.
        ProblemCode::InvalidRequest,
    ]);
    if described.method == HttpMethod::Post {
        problems.insert(ProblemCode::CrossSite);
    }
    if described.has_parameter(&ParameterIn::Path) {
        problems.insert(ProblemCode::NotFound);
    }
    if described.searches() {
        problems.insert(ProblemCode::TooManySearches);
    }
    if described.reads("application/json") {
        problems.extend([ProblemCode::MalformedJson, ProblemCode::TooLarge]);
    }
    if described.reads("multipart/form-data") {
        problems.extend([
            ProblemCode::MalformedRequest,
            ProblemCode::UnsupportedMediaType,
        ]);
    }
    problems.into_iter().collect()
}

/// Rules that apply to every operation.
const DESCRIPTION: &str = "Sends WhatsApp media messages through four providers and tracks the delivery of each one.\n\n\
    Times are RFC 3339 in UTC with milliseconds. Lists are newest first; what does not exist is absent, never null. \
    Unknown body keys, parameters and options are rejected by name; an optional text of a body may be null. Every error is a `Problem` with a stable `code`.\n\n\
    Scopes: `send` posts messages; `read` reads everything but raw callbacks, with personal data masked; \
    `operate` is `read`, unmasked, with raw callbacks and actions; `admin` is all of them.";

/// The first segment below `/api/v1`.
fn tag(path: &str) -> String {
    let below = path.strip_prefix(API_BASE).unwrap_or(path);
    below.split('/').nth(1).unwrap_or_default().to_owned()
}

fn bearer() -> SecurityScheme {
    let mut http = Http::new(HttpAuthScheme::Bearer);
    let scopes = Scope::ALL.map(Scope::as_str).join(", ");
    http.description = Some(format!(
        "An API token `bt_…`, created by `bluetick token create --name NAME --scopes {scopes}`."
    ));
    SecurityScheme::Http(http)
}

fn session(cookie: &str) -> SecurityScheme {
    let description = "The dashboard's session. Its scopes are those of the user's role; POST requests are accepted only from the dashboard's own pages.";
    SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
        cookie,
        description,
    )))
}

/// Corrects what derived schemas cannot express: optional fields of replies are absent and never
/// null, and `at` fields are instants.
fn simplify(document: OpenApi) -> Value {
    let mut value = serde_json::to_value(document).unwrap_or_default();
    let accepted = list_request_schemas(&value);
    let schemas = value.pointer_mut("/components/schemas");
    let mut kept = Map::new();
    if let Some(Value::Object(schemas)) = schemas {
        for name in accepted {
            kept.extend(schemas.remove(&name).map(|schema| (name, schema)));
        }
    }
    strip_null(&mut value);
    if let Some(Value::Object(schemas)) = value.pointer_mut("/components/schemas") {
        schemas.extend(kept);
        schemas.sort_keys();
    }
    mark_instants(&mut value);
    value
}

/// The names of all schemas that a body of a request consists of; their fields may be null.
fn list_request_schemas(document: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let paths = document["paths"].as_object().into_iter().flatten();
    for operation in paths.flat_map(|(_, path)| path.as_object().into_iter().flatten()) {
        list_references(&operation.1["requestBody"], document, &mut names);
    }
    names
}

fn list_references(value: &Value, document: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => {
            for item in items {
                list_references(item, document, names);
            }
        }
        Value::Object(fields) => {
            let reference = fields.get("$ref").and_then(Value::as_str);
            if let Some(name) = reference.and_then(|text| text.rsplit('/').next())
                && names.insert(name.to_owned())
            {
                let schema = &document["components"]["schemas"][name];
                list_references(schema, document, names);
            }
            for field in fields.values() {
                list_references(field, document, names);
            }
        }
        _ => {}
    }
}

fn mark_instants(value: &mut Value) {
    if let Some(Value::Object(properties)) = value.get_mut("properties") {
        for (name, schema) in properties.iter_mut() {
            if (name == "at" || name.ends_with("_at") || name == "as_of")
                && let Value::Object(schema) = schema
            {
                schema.insert("format".to_owned(), "date-time".into());
            }
        }
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(mark_instants),
        Value::Object(fields) => fields.values_mut().for_each(mark_instants),
        _ => {}
    }
}

fn strip_null(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(strip_null),
        Value::Object(fields) => {
            if let Some(Value::Array(kinds)) = fields.get_mut("type") {
                kinds.retain(|kind| kind != "null");
                if let [kind] = kinds.as_slice() {
                    let kind = kind.clone();
                    fields.insert("type".to_owned(), kind);
                }
            }
            if let Some(Value::Array(choices)) = fields.get_mut("oneOf") {
                choices.retain(|choice| choice.get("type") != Some(&Value::from("null")));
                if let [choice] = choices.as_slice()
                    && let Value::Object(only) = choice.clone()
                {
                    fields.remove("oneOf");
                    fields.extend(only);
                }
            }
            fields.values_mut().for_each(strip_null);
        }
        _ => {}
    }
}
