//! The closed set of codes by which programs tell problems apart. Which error has which code is `error`'s matter.

use actix_web::http::StatusCode;

use crate::domain::enum_words::enum_words;

/// What kind of problem a request met. The words never change their meaning.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum ProblemCode {
    /// The body is no JSON.
    MalformedJson,
    /// The request cannot be read.
    MalformedRequest,
    /// No valid token and no session.
    Unauthenticated,
    /// The caller lacks a scope.
    MissingScope,
    /// A page of another site used the visitor's session.
    CrossSite,
    /// No such thing, or no such address.
    NotFound,
    /// The address does not know the method.
    MethodNotAllowed,
    /// The idempotency key belongs to another body.
    IdempotencyKeyReused,
    /// What was asked does not fit the present state.
    NotPossible,
    /// It was here, and its retention has ended.
    NoLongerKept,
    /// The body is too long.
    TooLarge,
    /// The body's type is not read here.
    UnsupportedMediaType,
    /// Fields or parameters that are unknown, missing or bad.
    InvalidRequest,
    /// Our fault.
    Internal,
    /// The database cannot be asked now.
    Unavailable,
}
enum_words!(ProblemCode);

impl ProblemCode {
    /// The HTTP status it comes with.
    pub fn status(self) -> StatusCode {
        match self {
            Self::MalformedJson | Self::MalformedRequest => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::MissingScope | Self::CrossSite => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::NoLongerKept => StatusCode::GONE,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::IdempotencyKeyReused | Self::NotPossible => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::InvalidRequest => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}
