//! A form with a file, as browsers post it: texts in memory, the file in a temporary one.

use std::collections::BTreeMap;
use std::io::Write;

use actix_multipart::Multipart;
use actix_web::{HttpRequest, web};
use futures_util::StreamExt;
use tempfile::NamedTempFile;

use crate::services::Services;
use crate::web::api::recipient_endpoints::BODY_LIMIT;
use crate::web::error::ApiError;

/// In bytes, of all texts together.
const TEXT_LIMIT: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct UploadForm {
    texts: BTreeMap<String, String>,
    /// With its name; absent if none was chosen.
    pub(super) file: Option<(NamedTempFile, String)>,
}

impl UploadForm {
    pub(super) async fn read(
        services: &Services,
        request: &HttpRequest,
        payload: web::Payload,
    ) -> Result<Self, ApiError> {
        let internal = |error: std::io::Error| ApiError::Internal(error.into());
        let malformed =
            |error: actix_multipart::MultipartError| ApiError::MalformedRequest(error.to_string());
        let mut parts = Multipart::new(request.headers(), payload.into_inner());
        let mut form = Self::default();
        let (mut text_size, mut file_size) = (0, 0);
        while let Some(part) = parts.next().await {
            let mut part = part.map_err(malformed)?;
            let name = part.name().unwrap_or_default().to_owned();
            let file_name = part.content_disposition();
            let file_name = file_name
                .and_then(|found| found.get_filename())
                .map(ToOwned::to_owned);
            if let Some(file_name) = file_name {
                let mut file = services.uploads.create_temporary().map_err(internal)?;
                while let Some(chunk) = part.next().await {
                    let chunk = chunk.map_err(malformed)?;
                    file_size += chunk.len();
                    if file_size > BODY_LIMIT {
                        return Err(ApiError::TooLarge { limit: BODY_LIMIT });
                    }
                    file.write_all(&chunk).map_err(internal)?;
                }
                if !file_name.is_empty() {
                    form.file = Some((file, file_name));
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

    /// Empty if it was not sent.
    pub(super) fn text(&self, name: &str) -> &str {
        self.texts.get(name).map_or("", String::as_str)
    }

    /// `None` if it is empty.
    pub(super) fn given(&self, name: &str) -> Option<String> {
        Some(self.text(name).to_owned()).filter(|text| !text.is_empty())
    }
}
