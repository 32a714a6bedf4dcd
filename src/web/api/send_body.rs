//! The body of `POST /api/v1/messages`: JSON, or multipart with the file, which is streamed to a
//! temporary file and never held in memory.

use std::io::Write;

use actix_multipart::{Field, Multipart};
use actix_web::http::header::{self, DispositionParam};
use actix_web::{HttpRequest, web};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::sending::accept::{MessageInput, ReceivedFile};
use crate::services::Services;
use crate::web::api::wire::send_request::SendRequest;
use crate::web::error::ApiError;
use crate::web::request_parsing::parse_json;

/// In bytes. Every field at its limit fits.
const JSON_LIMIT: usize = 256 * 1024;
/// In bytes, above every provider's limit: the exact limit is checked afterwards.
pub(crate) const FILE_LIMIT: usize = 32 * 1024 * 1024;

/// The multipart form, for the OpenAPI document.
pub(crate) struct SendForm;

impl PartialSchema for SendForm {
    fn schema() -> RefOr<Schema> {
        let file = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
        ObjectBuilder::new()
            .property("message", Ref::from_schema_name(SendRequest::name()))
            .required("message")
            .property("file", file)
            .required("file")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)))
            .into()
    }
}

impl ToSchema for SendForm {}

pub(crate) struct Received {
    pub(crate) input: MessageInput,
    /// Hash of the bytes of the body, or of the parts in their order.
    pub(crate) body_hash: String,
    /// Removes the file on drop, unless the message was accepted.
    _file: Option<NamedTempFile>,
}

pub(crate) async fn receive(
    services: &Services,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<Received, ApiError> {
    match content_type(request).as_str() {
        "application/json" => {
            let body = read_json(payload).await?;
            let message: SendRequest = parse_json(&body)?;
            Ok(Received {
                input: message.into(),
                body_hash: URL_SAFE_NO_PAD.encode(Sha256::digest(&body)),
                _file: None,
            })
        }
        "multipart/form-data" => {
            let multipart = Multipart::new(request.headers(), payload.into_inner());
            receive_parts(services, multipart).await
        }
        _ => Err(ApiError::UnsupportedMediaType(
            "application/json or multipart/form-data",
        )),
    }
}

/// The content type in lower case, without parameters.
pub(super) fn content_type(request: &HttpRequest) -> String {
    let value = request.headers().get(header::CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok());
    let kind = text.unwrap_or_default().split(';').next();
    kind.unwrap_or_default().trim().to_ascii_lowercase()
}

pub(super) async fn read_json(payload: web::Payload) -> Result<web::Bytes, ApiError> {
    payload
        .to_bytes_limited(JSON_LIMIT)
        .await
        .map_err(|_| ApiError::TooLarge { limit: JSON_LIMIT })?
        .map_err(|error| ApiError::MalformedRequest(error.to_string()))
}

async fn receive_parts(services: &Services, mut parts: Multipart) -> Result<Received, ApiError> {
    let mut hasher = Sha256::new();
    let mut message: Option<SendRequest> = None;
    let mut file: Option<(NamedTempFile, ReceivedFile)> = None;
    while let Some(part) = parts.next().await {
        let mut part = part.map_err(|error| ApiError::MalformedRequest(error.to_string()))?;
        let name = part.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "message" if message.is_none() => {
                let body = read_text(&mut part).await?;
                hasher.update(&body);
                message = Some(parse_json(&body)?);
            }
            "file" if file.is_none() => {
                file = Some(save_file_part(services, &mut part, &mut hasher, FILE_LIMIT).await?);
            }
            "message" | "file" => return Err(ApiError::field(name, "is given twice")),
            _ => {
                return Err(ApiError::field(
                    name,
                    "is not known here; send the parts `message` and `file`",
                ));
            }
        }
    }
    let message = message
        .ok_or_else(|| ApiError::field("message", "is missing; send it as a part with JSON"))?;
    let (temporary, uploaded) =
        file.ok_or_else(|| ApiError::field("file", "is missing; send it as a part"))?;
    let mut input = MessageInput::from(message);
    input.upload = Some(uploaded);
    Ok(Received {
        input,
        body_hash: URL_SAFE_NO_PAD.encode(hasher.finalize()),
        _file: Some(temporary),
    })
}

async fn read_text(part: &mut Field) -> Result<Vec<u8>, ApiError> {
    let mut body = Vec::new();
    while let Some(chunk) = part.next().await {
        let chunk = chunk.map_err(|error| ApiError::MalformedRequest(error.to_string()))?;
        if body.len() + chunk.len() > JSON_LIMIT {
            return Err(ApiError::TooLarge { limit: JSON_LIMIT });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Streams the file to the folder of uploads, so that storing it is a rename. `limit` is in bytes; a
/// larger file is an error of the field `file`.
pub(crate) async fn save_file_part(
    services: &Services,
    part: &mut Field,
    hasher: &mut Sha256,
    limit: usize,
) -> Result<(NamedTempFile, ReceivedFile), ApiError> {
    let internal = |error: std::io::Error| ApiError::Internal(error.into());
    let file_name = part.content_disposition().and_then(|disposition| {
        disposition
            .parameters
            .iter()
            .find_map(|parameter| match parameter {
                DispositionParam::Filename(name) => Some(name.clone()),
                DispositionParam::FilenameExt(name) => String::from_utf8(name.value.clone()).ok(),
                _ => None,
            })
    });
    let content_type = part
        .content_type()
        .map(|kind| kind.essence_str().to_owned());
    let mut temporary = services.uploads.create_temporary().map_err(internal)?;
    let mut size = 0;
    let mut file_hasher = Sha256::new();
    while let Some(chunk) = part.next().await {
        let chunk = chunk.map_err(|error| ApiError::MalformedRequest(error.to_string()))?;
        size += chunk.len();
        if size > limit {
            let message = format!("is larger than {limit} bytes");
            return Err(ApiError::field("file", message));
        }
        hasher.update(&chunk);
        file_hasher.update(&chunk);
        // Chunks are small, and writing them to the page cache does not block.
        temporary.write_all(&chunk).map_err(internal)?;
    }
    let synced = web::block(move || temporary.as_file().sync_all().map(|()| temporary)).await;
    let temporary = synced
        .map_err(std::io::Error::other)
        .flatten()
        .map_err(internal)?;
    let path = temporary.path().to_path_buf();
    let uploaded = ReceivedFile {
        path,
        size: u64::try_from(size).unwrap_or(u64::MAX),
        file_name,
        content_type,
        sha256: URL_SAFE_NO_PAD.encode(file_hasher.finalize()),
    };
    Ok((temporary, uploaded))
}
