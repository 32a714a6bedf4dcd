//! What a caller is told when a request fails: `application/problem+json` with a code from a closed set.
//!
//! Pages show the same problem as HTML; `page_errors` does that.

use std::error::Error as StdError;
use std::future::{Ready, ready};

use actix_web::error::{JsonPayloadError, PathError, QueryPayloadError};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError, web};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::db;
use crate::domain::scope::{MissingScope, Scope};
use crate::operating::actions::OperateError;
use crate::operating::replay::ReplayError;
use crate::sending::accept::AcceptError;
use crate::web::problem_code::ProblemCode;

/// The media type of every error of the API.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// `Retry-After` of a 503: by then a lock is released, the spool has room, or the next process runs.
pub(crate) const RETRY_SECONDS: u16 = 5;
/// Any cause, kept for the log.
pub type Cause = Box<dyn StdError + Send + Sync>;

/// Why a request was not done.
#[derive(Debug, Error)]
pub enum ApiError {
    /// The body is no JSON at all.
    #[error("the body is not JSON: {0}")]
    MalformedJson(String),
    /// The request cannot be read: a broken form, a body that ends early.
    #[error("the request cannot be read: {0}")]
    MalformedRequest(String),
    /// Fields or parameters that are unknown, missing or bad.
    #[error("{} of the request cannot be used", fields(.0))]
    Invalid(Vec<FieldError>),
    /// No valid token and no session.
    #[error("send a valid API token as `Authorization: Bearer bt_…`, or sign in")]
    Unauthenticated,
    /// The caller may not do this.
    #[error("this needs the scope `{0}`")]
    MissingScope(Scope),
    /// A page of another site used the visitor's session.
    #[error("requests from other sites are refused")]
    CrossSite,
    /// No such thing, or no such address.
    #[error("there is nothing at this address")]
    NotFound,
    /// What was here is past its retention.
    #[error("raw callbacks are kept for {days} days; this one is no longer kept")]
    NoLongerKept {
        /// `retention.callbacks`.
        days: u32,
    },
    /// The address exists, the method does not.
    #[error("this address does not know the method")]
    MethodNotAllowed,
    /// The idempotency key was used with another body.
    #[error("this Idempotency-Key was used with another request")]
    IdempotencyKeyReused,
    /// What was asked does not fit the present state.
    #[error("{0}")]
    NotPossible(String),
    /// The body is longer than allowed.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// Bytes allowed.
        limit: usize,
    },
    /// The body's type is not one that this call reads.
    #[error("send the body as {0}")]
    UnsupportedMediaType(&'static str),
    /// The database cannot be asked now.
    #[error("the service cannot do this now; try again")]
    Unavailable(#[source] Cause),
    /// Our fault.
    #[error("something went wrong on our side")]
    Internal(#[source] Cause),
}

/// What is wrong with one field of a body or one parameter.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct FieldError {
    /// Its name, as the caller wrote it: `media.url`, `created_after`.
    pub field: String,
    /// Why, in words that continue the name.
    pub message: String,
}

impl FieldError {
    /// A complaint about a field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// An error as it is sent; kept among the response's extensions, so that pages can show it as HTML.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: the code says what kind it is.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// One of a closed set, for programs.
    pub code: &'static str,
    /// This case in words, for people.
    pub detail: String,
    /// Which fields, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Finds the line in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Uuid>,
}

impl ApiError {
    /// One bad field.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(field, message)])
    }

    /// What kind of problem this is, for programs.
    pub fn code(&self) -> ProblemCode {
        match self {
            Self::MalformedJson(_) => ProblemCode::MalformedJson,
            Self::MalformedRequest(_) => ProblemCode::MalformedRequest,
            Self::Invalid(_) => ProblemCode::InvalidRequest,
            Self::Unauthenticated => ProblemCode::Unauthenticated,
            Self::MissingScope(_) => ProblemCode::MissingScope,
            Self::CrossSite => ProblemCode::CrossSite,
            Self::NotFound => ProblemCode::NotFound,
            Self::NoLongerKept { .. } => ProblemCode::NoLongerKept,
            Self::MethodNotAllowed => ProblemCode::MethodNotAllowed,
            Self::IdempotencyKeyReused => ProblemCode::IdempotencyKeyReused,
            Self::NotPossible(_) => ProblemCode::NotPossible,
            Self::TooLarge { .. } => ProblemCode::TooLarge,
            Self::UnsupportedMediaType(_) => ProblemCode::UnsupportedMediaType,
            Self::Unavailable(_) => ProblemCode::Unavailable,
            Self::Internal(_) => ProblemCode::Internal,
        }
    }

    /// As it is sent. The cause of an internal error goes to the log, here and nowhere else.
    fn problem(&self) -> Problem {
        let status = self.status_code();
        let request_id = self.cause().map(|cause| {
            let id = Uuid::from_bytes(rand::random());
            tracing::error!(request.id = %id, code = self.code().as_str(), error = cause, "a request failed");
            id
        });
        Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code: self.code().as_str(),
            detail: self.to_string(),
            errors: match self {
                Self::Invalid(errors) => errors.clone(),
                _ => Vec::new(),
            },
            request_id,
        }
    }

    fn cause(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Unavailable(cause) | Self::Internal(cause) => Some(&**cause),
            _ => None,
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.code().status()
    }

    fn error_response(&self) -> HttpResponse {
        let problem = self.problem();
        let mut response = HttpResponseBuilder::new(self.status_code());
        match self {
            Self::Unauthenticated => {
                response.insert_header((WWW_AUTHENTICATE, "Bearer realm=\"bluetick\""));
            }
            Self::Unavailable(_) => {
                response.insert_header((RETRY_AFTER, "1"));
            }
            _ => {}
        }
        // A problem is plain texts and numbers: writing it cannot fail.
        let body = serde_json::to_string(&problem).unwrap_or_default();
        let mut response = response
            .insert_header((CONTENT_TYPE, PROBLEM_JSON))
            .body(body);
        response.extensions_mut().insert(problem);
        response
    }
}

impl From<db::Error> for ApiError {
    fn from(error: db::Error) -> Self {
        match error {
            db::Error::TooMuch(words) => Self::NotPossible(words.to_owned()),
            error if error.is_transient() => Self::Unavailable(error.into()),
            error => Self::Internal(error.into()),
        }
    }
}

impl From<Vec<FieldError>> for ApiError {
    fn from(errors: Vec<FieldError>) -> Self {
        Self::Invalid(errors)
    }
}

impl From<AcceptError> for ApiError {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::Invalid(errors) => errors
                .into_iter()
                .map(|error| FieldError::new(error.field, error.message))
                .collect::<Vec<_>>()
                .into(),
            AcceptError::KeyTaken => Self::IdempotencyKeyReused,
            AcceptError::Upload(error) => Self::Internal(error.into()),
            AcceptError::Store(error) => error.into(),
        }
    }
}

impl From<ReplayError> for ApiError {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::NothingSelected => Self::field("selection", error.to_string()),
            ReplayError::DryRunTooLarge => Self::NotPossible(error.to_string()),
            ReplayError::Store(error) => error.into(),
        }
    }
}

impl From<OperateError> for ApiError {
    fn from(error: OperateError) -> Self {
        match error {
            OperateError::NotFound(_) | OperateError::Moved(_) => Self::NotFound,
            OperateError::NotNow(words) => Self::NotPossible(words),
            OperateError::Accept(AcceptError::KeyTaken) => {
                Self::NotPossible("it was sent again already".to_owned())
            }
            OperateError::Accept(error) => error.into(),
            OperateError::Store(error) => error.into(),
        }
    }
}

impl From<MissingScope> for ApiError {
    fn from(MissingScope(scope): MissingScope) -> Self {
        Self::MissingScope(scope)
    }
}

/// Reads a JSON body; a bad or unknown field is named by its path.
pub fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        json_error(&path, error.inner())
    })?;
    reader
        .end()
        .map_err(|error| ApiError::MalformedJson(error.to_string()))?;
    Ok(value)
}

/// Makes actix's own extractors answer like everything else.
pub fn configure_extractors(config: &mut web::ServiceConfig) {
    config
        .app_data(web::JsonConfig::default().error_handler(|error, _| from_json(error).into()))
        .app_data(web::QueryConfig::default().error_handler(|error, _| from_query(&error).into()))
        .app_data(web::PathConfig::default().error_handler(|error, _| from_path(&error).into()));
}

/// The answer to a method that an address does not know.
pub fn method_not_allowed() -> Ready<Result<HttpResponse, ApiError>> {
    ready(Err(ApiError::MethodNotAllowed))
}

/// The answer to an address that nobody has.
pub fn not_found() -> Ready<Result<HttpResponse, ApiError>> {
    ready(Err(ApiError::NotFound))
}

fn from_json(error: JsonPayloadError) -> ApiError {
    match error {
        JsonPayloadError::OverflowKnownLength { limit, .. }
        | JsonPayloadError::Overflow { limit } => ApiError::TooLarge { limit },
        JsonPayloadError::ContentType => ApiError::UnsupportedMediaType("application/json"),
        JsonPayloadError::Deserialize(error) => json_error(".", &error),
        other => ApiError::MalformedRequest(other.to_string()),
    }
}

fn json_error(path: &str, error: &serde_json::Error) -> ApiError {
    if !error.is_data() {
        return ApiError::MalformedJson(error.to_string());
    }
    let text = error.to_string();
    let words = text.split(" at line ").next().unwrap_or(&text);
    ApiError::Invalid(vec![field_error(path, words)])
}

fn from_query(error: &QueryPayloadError) -> ApiError {
    match error {
        QueryPayloadError::Deserialize(error) => {
            ApiError::Invalid(vec![field_error(".", &error.to_string())])
        }
        other => ApiError::MalformedRequest(other.to_string()),
    }
}

/// Whatever does not fit into an address names nothing.
fn from_path(error: &PathError) -> ApiError {
    match error {
        PathError::Deserialize(_) => ApiError::NotFound,
        other => ApiError::MalformedRequest(other.to_string()),
    }
}

/// Serde tells a missing field by its container's path and the field's name in back-ticks.
fn field_error(path: &str, words: &str) -> FieldError {
    let container = if path == "." { "" } else { path };
    if let Some(name) = quoted_after(words, "missing field `") {
        let field = if container.is_empty() {
            name.to_owned()
        } else {
            format!("{container}.{name}")
        };
        return FieldError::new(field, "is missing");
    }
    let unknown = quoted_after(words, "unknown field `");
    let field = match (container, unknown) {
        ("", Some(name)) => name,
        ("", None) => "request",
        (container, _) => container,
    };
    match unknown {
        Some(_) => FieldError::new(field, "is not known here"),
        None => FieldError::new(field, words),
    }
}

fn quoted_after<'a>(words: &'a str, opening: &str) -> Option<&'a str> {
    words.strip_prefix(opening)?.split('`').next()
}

fn fields(errors: &[FieldError]) -> String {
    let names: Vec<String> = errors
        .iter()
        .map(|error| format!("`{}`", error.field))
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code, reason = "only the reading is tested")]
        media: Inner,
    }

    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only the reading is tested")]
        url: String,
    }

    fn refused(body: &str) -> Problem {
        parse_json::<Outer>(body.as_bytes()).unwrap_err().problem()
    }

    #[test]
    fn a_bad_field_is_named_by_its_path() {
        for (body, field) in [
            (r#"{"media":{"url":1}}"#, "media.url"),
            (r#"{"media":{}}"#, "media.url"),
            (r#"{"media":{"url":"x","link":"y"}}"#, "media.link"),
            (r#"{"media":{"url":"x"},"colour":"y"}"#, "colour"),
            ("{}", "media"),
        ] {
            let problem = refused(body);
            assert_eq!(
                (problem.status, problem.code),
                (422, "invalid_request"),
                "{body}"
            );
            assert_eq!(problem.errors[0].field, field, "{body}");
        }
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        for body in ["", "{", "hello", r#"{"media":{"url":"x"}} {}"#] {
            let problem = refused(body);
            assert_eq!(
                (problem.status, problem.code),
                (400, "malformed_json"),
                "{body}"
            );
        }
    }

    #[test]
    fn an_internal_error_tells_its_request_id_and_nothing_else() {
        let problem = ApiError::Internal("the password is hunter2".into()).problem();
        let text = serde_json::to_string(&problem).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
        assert!(problem.request_id.is_some());
    }
}
