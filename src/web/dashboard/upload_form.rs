//! A form with a file, as browsers post it. Texts are kept in memory, the file in a temporary file.

use std::collections::BTreeMap;

use actix_multipart::{Field, Multipart};
use actix_web::{HttpRequest, web};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::sending::accept::ReceivedFile;
use crate::services::Services;
use crate::web::api::send_body::save_file_part;
use crate::web::error::ApiError;

/// In bytes: how much of a file that exceeds its limit is skipped to reach the fields after it.
const SKIPPED_LIMIT: usize = 256 * 1024 * 1024;
/// In bytes, of all texts together.
const TEXT_LIMIT: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct UploadForm {
    texts: BTreeMap<String, String>,
    /// Absent if none was chosen.
    pub(super) file: Option<(NamedTempFile, ReceivedFile)>,
    /// Why the chosen file was not kept.
    pub(super) file_error: Option<String>,
}

impl UploadForm {
    /// `file_limit` in bytes; a larger file is an error.
    pub(super) async fn read(
        services: &Services,
        request: &HttpRequest,
        payload: web::Payload,
        file_limit: usize,
    ) -> Result<Self, ApiError> {
        let form = Self::read_with_file_error(services, request, payload, file_limit).await?;
        match form.file_error {
            Some(message) => Err(ApiError::field("file", message)),
            None => Ok(form),
        }
    }

    /// For pages that report a file above the limit at its field and keep what was typed.
    pub(super) async fn read_with_file_error(
        services: &Services,
        request: &HttpRequest,
        payload: web::Payload,
        file_limit: usize,
    ) -> Result<Self, ApiError> {
        let malformed =
            |error: actix_multipart::MultipartError| ApiError::MalformedRequest(error.to_string());
        let mut parts = Multipart::new(request.headers(), payload.into_inner());
        let mut form = Self::default();
        let mut text_size = 0;
        while let Some(part) = parts.next().await {
            let mut part = part.map_err(malformed)?;
            let name = part.name().unwrap_or_default().to_owned();
            let disposition = part.content_disposition();
            let is_file = disposition.is_some_and(|it| it.get_filename().is_some());
            if is_file {
                let kept =
                    save_file_part(services, &mut part, &mut Sha256::new(), file_limit).await;
                let (file, received) = match kept {
                    Ok(kept) => kept,
                    Err(ApiError::Invalid(errors)) => {
                        form.file_error = errors.into_iter().next().map(|error| error.message);
                        skip(&mut part).await?;
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                // Browsers send a part without a name if no file was chosen.
                if received.file_name.as_ref().is_some_and(|it| !it.is_empty()) {
                    form.file = Some((file, received));
                }
                continue;
            }
            text_size += name.len();
            if text_size > TEXT_LIMIT {
                return Err(ApiError::TooLarge { limit: TEXT_LIMIT });
            }
            let mut bytes = Vec::new();
            while let Some(chunk) = part.next().await {
                let chunk = chunk.map_err(malformed)?;
                text_size += chunk.len();
                if text_size > TEXT_LIMIT {
                    return Err(ApiError::TooLarge { limit: TEXT_LIMIT });
                }
                bytes.extend_from_slice(&chunk);
            }
            let text = String::from_utf8_lossy(&bytes).trim().to_owned();
            form.texts.insert(name, text);
        }
        Ok(form)
    }

    pub(super) fn set_text(&mut self, name: &str, text: String) {
        self.texts.insert(name.to_owned(), text);
    }

    /// Empty if it was not sent.
    pub(super) fn text(&self, name: &str) -> &str {
        self.texts.get(name).map_or("", String::as_str)
    }

    /// `None` if it is empty.
    pub(super) fn given(&self, name: &str) -> Option<String> {
        Some(self.text(name).to_owned()).filter(|text| !text.is_empty())
    }
}

/// Reads the rest of a part.
async fn skip(part: &mut Field) -> Result<(), ApiError> {
    let mut skipped = 0;
    while let Some(chunk) = part.next().await {
        let chunk = chunk.map_err(|error| ApiError::MalformedRequest(error.to_string()))?;
        skipped += chunk.len();
        if skipped > SKIPPED_LIMIT {
            return Err(ApiError::TooLarge {
                limit: SKIPPED_LIMIT,
            });
        }
    }
    Ok(())
}
