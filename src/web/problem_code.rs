//! The closed set of codes by which programs tell problems apart. Which error has which code is `error`'s matter.

use actix_web::http::StatusCode;

/// What kind of problem a request met. The words never change their meaning.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
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
    /// It was here, and its retention has ended.
    NoLongerKept,
    /// The address does not know the method.
    MethodNotAllowed,
    /// The idempotency key belongs to another body.
    IdempotencyKeyReused,
    /// What was asked does not fit the present state.
    NotPossible,
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

impl ProblemCode {
    /// Every code, by status.
    pub const ALL: [Self; 15] = [
        Self::MalformedJson,
        Self::MalformedRequest,
        Self::Unauthenticated,
        Self::MissingScope,
        Self::CrossSite,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::IdempotencyKeyReused,
        Self::NotPossible,
        Self::NoLongerKept,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::InvalidRequest,
        Self::Internal,
        Self::Unavailable,
    ];

    /// The word in `code`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MalformedJson => "malformed_json",
            Self::MalformedRequest => "malformed_request",
            Self::Unauthenticated => "unauthenticated",
            Self::MissingScope => "missing_scope",
            Self::CrossSite => "cross_site",
            Self::NotFound => "not_found",
            Self::NoLongerKept => "no_longer_kept",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::NotPossible => "not_possible",
            Self::TooLarge => "too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::InvalidRequest => "invalid_request",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
        }
    }

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
