//! The closed set of codes that identify a problem to programs.

use actix_web::http::StatusCode;

use crate::domain::enum_words::enum_words;

/// Part of the API: a code is never renamed or reused.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum ProblemCode {
    MalformedJson,
    MalformedRequest,
    Unauthenticated,
    MissingScope,
    /// The token is limited to accounts, and the call is about all of them.
    AccountLimited,
    CrossSite,
    NotFound,
    MethodNotAllowed,
    /// The `Host` is not a name of this server.
    UnknownHost,
    IdempotencyKeyReused,
    /// Not in the current state.
    NotPossible,
    /// Its retention has ended.
    NoLongerKept,
    TooLarge,
    /// The body arrived too slowly.
    RequestTimeout,
    /// More streams of live changes than a token or this process may have.
    TooManyStreams,
    /// More searches a minute than a caller that sees masked numbers may make.
    TooManySearches,
    UnsupportedMediaType,
    /// Fields or parameters that are unknown, missing or invalid.
    InvalidRequest,
    Internal,
    /// The main database is being migrated after an update of the program.
    Upgrading,
    /// The database does not respond, or too many requests are being answered.
    Unavailable,
}
enum_words!(ProblemCode);

impl ProblemCode {
    pub fn status(self) -> StatusCode {
        match self {
            Self::MalformedJson | Self::MalformedRequest => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::MissingScope | Self::AccountLimited | Self::CrossSite => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::NoLongerKept => StatusCode::GONE,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnknownHost => StatusCode::MISDIRECTED_REQUEST,
            Self::IdempotencyKeyReused | Self::NotPossible => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::TooManyStreams | Self::TooManySearches => StatusCode::TOO_MANY_REQUESTS,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::InvalidRequest => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Upgrading | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}
