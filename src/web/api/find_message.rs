//! The message that a path names. The id of a merged message redirects to the message that it was
//! merged into.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde::Serialize;
use thiserror::Error;
use uuid::Uuid;

use crate::db;
use crate::domain::ids::MessageId;
use crate::domain::message::Message;
use crate::operating::action_context::ActionError;
use crate::services::Services;
use crate::store::messages::FoundMessage;
use crate::web::error::ApiError;

#[derive(Debug, Error)]
pub(crate) enum FindMessageError {
    #[error("the message was merged into {survivor}")]
    Merged {
        survivor: MessageId,
        /// The same request for the message it was merged into.
        location: String,
    },
    #[error(transparent)]
    Api(#[from] ApiError),
}

#[derive(Serialize)]
struct MergedResponse {
    id: Uuid,
}

impl FindMessageError {
    fn merged(request: &HttpRequest, survivor: MessageId) -> Self {
        let pattern = request.match_pattern().unwrap_or_default();
        let rest = pattern
            .rsplit_once("/messages/{id}")
            .map_or("", |(_, rest)| rest);
        let query = match request.query_string() {
            "" => String::new(),
            query => format!("?{query}"),
        };
        Self::Merged {
            survivor,
            location: format!("/api/v1/messages/{survivor}{rest}{query}"),
        }
    }

    pub(crate) fn from_action(request: &HttpRequest, error: ActionError) -> Self {
        match error {
            ActionError::Merged(survivor) => Self::merged(request, survivor),
            error => Self::Api(error.into()),
        }
    }
}

impl From<db::Error> for FindMessageError {
    fn from(error: db::Error) -> Self {
        Self::Api(error.into())
    }
}

impl ResponseError for FindMessageError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Merged { .. } => StatusCode::PERMANENT_REDIRECT,
            Self::Api(error) => error.status_code(),
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::Merged { survivor, location } => HttpResponse::build(self.status_code())
                .insert_header((LOCATION, location.as_str()))
                .json(MergedResponse {
                    id: survivor.uuid(),
                }),
            Self::Api(error) => error.error_response(),
        }
    }
}

pub(crate) fn parse_id(id: &str) -> Result<MessageId, ApiError> {
    id.parse().map_err(|_| ApiError::NotFound)
}

pub(crate) async fn find(
    services: &Services,
    request: &HttpRequest,
    id: &str,
) -> Result<Message, FindMessageError> {
    match services.store.find_message(parse_id(id)?).await? {
        Some(FoundMessage::Message(message)) => Ok(*message),
        Some(FoundMessage::Merged(survivor)) => Err(FindMessageError::merged(request, survivor)),
        None => Err(ApiError::NotFound.into()),
    }
}
