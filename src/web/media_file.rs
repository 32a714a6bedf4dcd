//! `/media/{token}`: an uploaded file, which a provider or WhatsApp fetches.

use actix_files::NamedFile;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentDisposition, DispositionParam, DispositionType,
    HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::domain::media::extension_of_mime_type;
use crate::services::Services;
use crate::web::error::ApiError;
use crate::web::pasted_url::trim_last_part;

/// The file loads nothing, and its content never acts as a page of this server.
const POLICY: &str = "default-src 'none'; sandbox";

/// Answers ranges, HEAD, and requests about an unchanged file.
pub(crate) async fn show(
    services: web::Data<Services>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let token = request.match_info().get("token").unwrap_or_default();
    let token = trim_last_part(&request, token);
    let found = services.uploads.find_hosted(token).await;
    let file = found
        .map_err(|error| ApiError::Internal(error.into()))?
        .ok_or(ApiError::NotFound)?;
    let mime_type = file.mime_type.parse().map_err(|_| ApiError::NotFound)?;
    let extension = extension_of_mime_type(&file.mime_type).unwrap_or("bin");
    let name = format!("media.{extension}");
    // It may have been removed in the meantime.
    let opened = NamedFile::open_async(&file.path).await;
    let mut response = opened
        .map_err(|_| ApiError::NotFound)?
        .set_content_type(mime_type)
        .set_content_disposition(ContentDisposition {
            disposition: DispositionType::Attachment,
            parameters: vec![DispositionParam::Filename(name)],
        })
        .into_response(&request);
    for (header, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "private, max-age=3600"),
    ] {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(header, value);
    }
    Ok(response)
}
