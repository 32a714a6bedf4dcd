//! `/api/openapi.json`: the API described for programs. Made from the list of calls, served to anybody.

pub(crate) mod calls;
pub(crate) mod description;

use std::collections::{BTreeMap, BTreeSet};

use actix_web::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::openapi::path::{PathItem, Paths};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ComponentsBuilder, Content, Info, OpenApi, OpenApiBuilder, Ref, RefOr, ResponseBuilder, Schema,
    Server,
};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::scope::Scope;
use crate::web::api::call::{BASE, Call};
use crate::web::auth::COOKIE;
use crate::web::error::{FieldError, PROBLEM_JSON, Problem};
use crate::web::problem_code::ProblemCode;

/// What can go wrong with any call.
const ALWAYS: [ProblemCode; 4] = [
    ProblemCode::Unauthenticated,
    ProblemCode::MissingScope,
    ProblemCode::Internal,
    ProblemCode::Unavailable,
];

/// The document, written once per process.
#[derive(Clone, Debug)]
pub struct Document {
    text: String,
    tag: String,
}

impl Document {
    /// The document of an installation that is reached at `public_url`.
    pub fn new(public_url: &str) -> Self {
        let text = in_our_ways(describe(public_url, &super::calls())).to_string();
        let hash = URL_SAFE_NO_PAD.encode(&Sha256::digest(&text)[..12]);
        Self {
            text,
            tag: format!("\"{hash}\""),
        }
    }
}

/// `GET /api/openapi.json`
pub(crate) async fn show(document: web::Data<Document>, request: HttpRequest) -> HttpResponse {
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

fn describe(public_url: &str, calls: &[Call]) -> OpenApi {
    let mut paths = Paths::new();
    let mut schemas = BTreeMap::from([
        (Problem::name().into_owned(), Problem::schema()),
        (FieldError::name().into_owned(), FieldError::schema()),
    ]);
    for call in calls {
        let mut description = (call.description)();
        schemas.extend(std::mem::take(&mut description.schemas));
        let mut operation = description.operation;
        operation.security = Some(
            ["bearer", "session"]
                .map(|scheme| SecurityRequirement::new(scheme, [call.scope.as_str()]))
                .to_vec(),
        );
        let words = format!(
            "{}Needs the scope `{}`.",
            operation
                .description
                .take()
                .map_or_else(String::new, |words| words + "\n\n"),
            call.scope
        );
        operation.description = Some(words);
        operation.tags = Some(vec![tag_of(call.path)]);
        let mut problems: BTreeSet<ProblemCode> = description.problems.into_iter().collect();
        problems.extend(ALWAYS);
        if call.method == utoipa::openapi::path::HttpMethod::Post {
            problems.insert(ProblemCode::CrossSite);
        }
        for (status, response) in problem_responses(&problems) {
            operation.responses.responses.insert(status, response);
        }
        let item = PathItem::new(call.method.clone(), operation);
        let path = format!("{BASE}{}", call.path);
        match paths.paths.get_mut(&path) {
            Some(known) => known.merge_operations(item),
            None => {
                paths.paths.insert(path, item);
            }
        }
    }
    let components = schemas
        .into_iter()
        .fold(ComponentsBuilder::new(), |components, (name, schema)| {
            components.schema(name, schema)
        })
        .security_scheme("bearer", bearer())
        .security_scheme("session", session())
        .build();
    let mut info = Info::new("Bluetick", env!("CARGO_PKG_VERSION"));
    info.description = Some(WORDS.to_owned());
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([Server::new(public_url)]))
        .paths(paths)
        .components(Some(components))
        .build()
}

/// What holds for every call.
const WORDS: &str = "Sends WhatsApp media messages through four providers and knows what became of every one of them.\n\n\
    Times are RFC 3339 in UTC with milliseconds. Lists are newest first; what does not exist is absent, never null. \
    Unknown body keys, parameters and options are refused by name. Every error is a `Problem` with a stable `code`.\n\n\
    Scopes: `send` posts messages; `read` reads everything but raw callbacks, with people masked; \
    `operate` is `read`, unmasked, with raw callbacks and actions; `admin` is all of them.";

fn tag_of(path: &str) -> String {
    path.split('/').nth(1).unwrap_or_default().to_owned()
}

fn problem_responses(
    problems: &BTreeSet<ProblemCode>,
) -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
    let mut codes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for problem in problems {
        codes
            .entry(problem.status().as_u16().to_string())
            .or_default()
            .push(format!("`{}`", problem.as_str()));
    }
    codes
        .into_iter()
        .map(|(status, codes)| {
            let reference = RefOr::<Schema>::Ref(Ref::from_schema_name(Problem::name()));
            let response = ResponseBuilder::new()
                .description(format!("`code` is {}.", codes.join(" or ")))
                .content(PROBLEM_JSON, Content::new(Some(reference)))
                .build();
            (status, response.into())
        })
        .collect()
}

fn bearer() -> SecurityScheme {
    let mut http = Http::new(HttpAuthScheme::Bearer);
    let scopes = Scope::ALL.map(Scope::as_str).join(", ");
    http.description = Some(format!(
        "An API token `bt_…`, made by `bluetick token create --name NAME --scopes {scopes}`."
    ));
    SecurityScheme::Http(http)
}

fn session() -> SecurityScheme {
    let words = "The dashboard's session; it holds every scope, and changes only what its own pages ask for.";
    SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(COOKIE, words)))
}

/// What the derived schemas cannot say: an optional field is absent and never null, and what is called `at` is an instant.
fn in_our_ways(document: OpenApi) -> Value {
    let mut value = serde_json::to_value(document).unwrap_or_default();
    strip_null(&mut value);
    mark_instants(&mut value);
    value
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
