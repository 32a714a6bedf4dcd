//! The body of `POST /api/v1/messages/{id}/resend`: nothing, JSON with other media, or multipart with
//! a file.

use actix_multipart::Multipart;
use actix_web::{HttpRequest, web};
use futures_util::StreamExt;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::operating::message_actions::resend::ResendMedia;
use crate::services::Services;
use crate::web::api::send_body::{FILE_LIMIT, content_type, read_json, save_file_part};
use crate::web::api::wire::campaign_responses::campaign_media;
use crate::web::api::wire::send_request::MediaRequest;
use crate::web::error::ApiError;
use crate::web::request_parsing::parse_json;

/// How to send a message again.
#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResendMessageRequest {
    /// Instead of the media of the message.
    pub(crate) media: Option<MediaRequest>,
}

/// The multipart form, for the OpenAPI document.
pub(crate) struct ResendFileForm;

impl PartialSchema for ResendFileForm {
    fn schema() -> RefOr<Schema> {
        let file = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
        ObjectBuilder::new()
            .property("file", file)
            .required("file")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)))
            .into()
    }
}

impl ToSchema for ResendFileForm {}

/// The other media, if any. The file is removed on drop, unless the message was accepted.
pub(crate) async fn receive(
    services: &Services,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<(Option<ResendMedia>, Option<NamedTempFile>), ApiError> {
    if content_type(request) == "multipart/form-data" {
        let parts = Multipart::new(request.headers(), payload.into_inner());
        let (temporary, media) = receive_file(services, parts).await?;
        return Ok((Some(media), Some(temporary)));
    }
    let body = read_json(payload).await?;
    if body.is_empty() {
        return Ok((None, None));
    }
    let resend: ResendMessageRequest = parse_json(&body)?;
    let media = resend.media.map(campaign_media).map(ResendMedia::Reference);
    Ok((media, None))
}

async fn receive_file(
    services: &Services,
    mut parts: Multipart,
) -> Result<(NamedTempFile, ResendMedia), ApiError> {
    let mut saved = None;
    while let Some(part) = parts.next().await {
        let mut part = part.map_err(|error| ApiError::MalformedRequest(error.to_string()))?;
        let name = part.name().unwrap_or_default().to_owned();
        if name != "file" {
            return Err(ApiError::field(
                name,
                "is not known here; send the part `file`",
            ));
        }
        if saved.is_some() {
            return Err(ApiError::field(name, "is given twice"));
        }
        saved = Some(save_file_part(services, &mut part, &mut Sha256::new(), FILE_LIMIT).await?);
    }
    let (temporary, file) =
        saved.ok_or_else(|| ApiError::field("file", "is missing; send it as a part"))?;
    let media = ResendMedia::File {
        file,
        mime_type: None,
    };
    Ok((temporary, media))
}
