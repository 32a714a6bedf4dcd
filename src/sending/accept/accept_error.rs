//! Why a message was not accepted.

use thiserror::Error;

use crate::db;
use crate::sending::upload_storage::UploadStorageError;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvalidField {
    /// Name in JSON, such as `media.url`.
    pub field: String,
    /// What is wrong, and what is allowed.
    pub message: String,
}

impl InvalidField {
    pub(crate) fn new(field: &str, message: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            message: message.into(),
        }
    }
}

#[derive(Debug, Error)]
pub enum AcceptError {
    /// Names every invalid field.
    #[error("the message has invalid fields")]
    Invalid(Vec<InvalidField>),
    #[error("this idempotency key was used for another request")]
    IdempotencyKeyReused,
    #[error("the uploaded file could not be stored: {0}")]
    Upload(#[source] std::io::Error),
    #[error(transparent)]
    Store(#[from] db::Error),
}

impl From<UploadStorageError> for AcceptError {
    fn from(error: UploadStorageError) -> Self {
        match error {
            UploadStorageError::File(error) => Self::Upload(error),
            UploadStorageError::Store(error) => Self::Store(error),
        }
    }
}
