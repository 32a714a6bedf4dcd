//! Why a request fails, and its response: `application/problem+json`. `page_errors` shows the same
//! problem as a page.

use std::error::Error as StdError;
use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use thiserror::Error;

use crate::db;
use crate::domain::account_limit::AccountLimit;
use crate::domain::keyed_limit::LimitWait;
use crate::domain::scope::{MissingScope, Scope};
use crate::operating::action_context::ActionError;
use crate::operating::replay::ReplayError;
use crate::operating::upgrade::UpgradeStep;
use crate::sending::accept::AcceptError;
use crate::sending::campaign::{CreateCampaignError, ImportError};
use crate::telemetry::line_per_minute::LinePerMinute;
use crate::web::live_streams::TooManyStreams;
use crate::web::problem_code::ProblemCode;
use crate::web::problem_json::{self, FieldError, PROBLEM_JSON, Problem};
use crate::web::request_id;

/// `Retry-After` of a 503 to a provider, in seconds: by then a lock is released, the spool has room, or the
/// next process runs. Also for a stream beyond the limit.
pub(crate) const PROVIDER_RETRY_SECONDS: u16 = 5;
/// `Retry-After` while the main database is migrated, in seconds; pages reload themselves after it.
pub(crate) const UPGRADE_RETRY_SECONDS: u16 = 10;
/// `Retry-After` of a 503 to a caller of the API, in seconds.
const API_RETRY_SECONDS: u16 = 1;
static UNAVAILABLE_LOG: LinePerMinute = LinePerMinute::new();
/// Logged, never sent.
pub type Cause = Box<dyn StdError + Send + Sync>;

#[derive(Debug, Error)]
pub enum ApiError {
    #[error("the body is not JSON: {0}")]
    MalformedJson(String),
    /// A broken form, or a body that ends early.
    #[error("the request cannot be read: {0}")]
    MalformedRequest(String),
    /// Fields or parameters that are unknown, missing or invalid.
    #[error("invalid fields: {}", fields(.0))]
    Invalid(Vec<FieldError>),
    #[error("send a valid API token as `Authorization: Bearer bt_…`, or sign in")]
    Unauthenticated,
    #[error("this needs the scope `{0}`")]
    MissingScope(Scope),
    /// The call is about all accounts.
    #[error("this token is limited to accounts ({0}), and this address is about all of them")]
    AccountLimited(AccountLimit),
    /// A page of another site used the session of its visitor.
    #[error("requests from other sites are refused")]
    CrossSite,
    #[error("there is nothing at this address")]
    NotFound,
    #[error("there is no alert {0} in the configuration")]
    NoSuchAlert(usize),
    #[error("raw callbacks are kept for {days} days; this one is no longer kept")]
    NoLongerKept {
        /// `retention.callbacks`.
        days: u32,
    },
    #[error("the method is not allowed; this address allows {allowed}")]
    MethodNotAllowed {
        /// For the header `Allow`.
        allowed: &'static str,
    },
    /// The `Host` of the request is neither ours nor exempt.
    #[error(
        "this server is not known under that name; set `public_url`, or let the proxy pass the header `Host`"
    )]
    UnknownHost,
    #[error("this Idempotency-Key was used with another request")]
    IdempotencyKeyReused,
    /// The current state does not allow it.
    #[error("{0}")]
    NotPossible(String),
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// In bytes.
        limit: usize,
    },
    /// The client took too long to send the body.
    #[error("the body arrived too slowly")]
    TooSlow,
    /// More live streams than one token or session, or the process, may have.
    #[error("{0}")]
    TooManyStreams(#[from] TooManyStreams),
    /// Searches of a caller that sees masked numbers: each may confirm a guess.
    #[error(
        "without the scope `operate`, {limit} searches for a recipient are possible in a minute"
    )]
    TooManySearches { limit: u32, wait: LimitWait },
    #[error("send the body as {0}")]
    UnsupportedMediaType(&'static str),
    /// Too many requests are being answered. Nothing is logged.
    #[error("too many requests are being answered; try again")]
    Busy,
    /// The main database is being migrated. Nothing is logged.
    #[error(
        "Bluetick is being upgraded ({0}). Callbacks are received meanwhile, this request was not carried out; try again later"
    )]
    Upgrading(UpgradeStep),
    /// The database does not respond.
    #[error("the service cannot do this now; try again")]
    Unavailable(#[source] Cause),
    #[error("something went wrong on our side")]
    Internal(#[source] Cause),
}

impl ApiError {
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(field, message)])
    }

    pub fn code(&self) -> ProblemCode {
        match self {
            Self::MalformedJson(_) => ProblemCode::MalformedJson,
            Self::MalformedRequest(_) => ProblemCode::MalformedRequest,
            Self::Invalid(_) => ProblemCode::InvalidRequest,
            Self::Unauthenticated => ProblemCode::Unauthenticated,
            Self::MissingScope(_) => ProblemCode::MissingScope,
            Self::AccountLimited(_) => ProblemCode::AccountLimited,
            Self::CrossSite => ProblemCode::CrossSite,
            Self::NotFound | Self::NoSuchAlert(_) => ProblemCode::NotFound,
            Self::NoLongerKept { .. } => ProblemCode::NoLongerKept,
            Self::MethodNotAllowed { .. } => ProblemCode::MethodNotAllowed,
            Self::UnknownHost => ProblemCode::UnknownHost,
            Self::IdempotencyKeyReused => ProblemCode::IdempotencyKeyReused,
            Self::NotPossible(_) => ProblemCode::NotPossible,
            Self::TooLarge { .. } => ProblemCode::TooLarge,
            Self::TooSlow => ProblemCode::RequestTimeout,
            Self::TooManyStreams(_) => ProblemCode::TooManyStreams,
            Self::TooManySearches { .. } => ProblemCode::TooManySearches,
            Self::UnsupportedMediaType(_) => ProblemCode::UnsupportedMediaType,
            Self::Upgrading(_) => ProblemCode::Upgrading,
            Self::Busy | Self::Unavailable(_) => ProblemCode::Unavailable,
            Self::Internal(_) => ProblemCode::Internal,
        }
    }

    /// Logs the cause, if there is one. [`Self::Unavailable`] is logged at most once a minute: while
    /// the database is unavailable, callers without a token cause it, too.
    fn problem(&self) -> Problem {
        let status = self.status_code();
        let cause = match self {
            Self::Unavailable(_) if !UNAVAILABLE_LOG.admit(Instant::now()) => None,
            error => error.cause(),
        };
        let request_id = cause.map(|cause| {
            let id = request_id::current();
            tracing::error!(request.id = %id, code = self.code().as_str(), error = cause, "a request failed");
            id
        });
        Problem {
            type_uri: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code: self.code().as_str(),
            detail: problem_json::shorten_detail(&self.to_string()),
            errors: match self {
                Self::Invalid(errors) => problem_json::shorten(errors),
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
            Self::MethodNotAllowed { allowed } => {
                response.insert_header((ALLOW, *allowed));
            }
            Self::Busy | Self::Unavailable(_) => {
                response.insert_header((RETRY_AFTER, u32::from(API_RETRY_SECONDS)));
            }
            Self::Upgrading(_) => {
                response.insert_header((RETRY_AFTER, u32::from(UPGRADE_RETRY_SECONDS)));
            }
            Self::TooManyStreams(_) => {
                response.insert_header((RETRY_AFTER, u32::from(PROVIDER_RETRY_SECONDS)));
            }
            Self::TooManySearches { wait, .. } => {
                response.insert_header((RETRY_AFTER, wait.seconds()));
            }
            _ => {}
        }
        // A problem has only texts and numbers, so serialising it cannot fail.
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
            db::Error::TooMuch(text) => Self::NotPossible(text.to_owned()),
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
            AcceptError::IdempotencyKeyReused => Self::IdempotencyKeyReused,
            AcceptError::Upload(error) => Self::Internal(error.into()),
            AcceptError::Store(error) => error.into(),
        }
    }
}

impl From<CreateCampaignError> for ApiError {
    fn from(error: CreateCampaignError) -> Self {
        match error {
            CreateCampaignError::Invalid(errors) => AcceptError::Invalid(errors).into(),
            CreateCampaignError::Exists(_) => Self::NotPossible(error.to_string()),
            CreateCampaignError::Store(error) => error.into(),
        }
    }
}

impl From<ImportError> for ApiError {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::UnknownCampaign => Self::NotFound,
            ImportError::NotPossible(text) => Self::NotPossible(text),
            ImportError::Invalid(field) => AcceptError::Invalid(vec![field]).into(),
            ImportError::Read(error) => Self::Internal(error.into()),
            ImportError::Store(error) => error.into(),
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

impl From<ActionError> for ApiError {
    fn from(error: ActionError) -> Self {
        match error {
            ActionError::NotFound(_) | ActionError::Merged(_) => Self::NotFound,
            ActionError::NotPossible(text) => Self::NotPossible(text),
            ActionError::Accept(AcceptError::IdempotencyKeyReused) => {
                Self::NotPossible("it was already resent".to_owned())
            }
            ActionError::Accept(error) => error.into(),
            ActionError::Store(error) => error.into(),
        }
    }
}

impl From<MissingScope> for ApiError {
    fn from(MissingScope(scope): MissingScope) -> Self {
        Self::MissingScope(scope)
    }
}

fn fields(errors: &[FieldError]) -> String {
    let listed = problem_json::shorten(errors);
    let names: Vec<String> = listed
        .iter()
        .map(|error| format!("`{}`", error.field))
        .collect();
    let names = names.join(", ");
    match errors.len() - listed.len() {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_internal_error_has_its_request_id_and_no_cause() {
        let problem = ApiError::Internal("the password is hunter2".into()).problem();
        let text = serde_json::to_string(&problem).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
        assert!(problem.request_id.is_some());
    }
}
