//! The JSON of `POST /messages`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::message::References;
use crate::sending::accept::MessageInput;
use crate::web::api::wire::message_parts::FailureResponse;
use crate::web::api::wire::template_body::TemplateRequest;
use crate::web::api::wire::warning_response::WarningResponse;

/// A message to send.
// Defaults let validation report all missing fields at once.
#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendRequest {
    /// Account id.
    #[serde(default)]
    #[schema(required, pattern = "^[a-z0-9][a-z0-9-]{0,63}$")]
    pub(crate) account: String,
    /// One of the account's senders; its first when absent.
    pub(crate) from: Option<String>,
    /// The customer's number: with `+`, or all international digits, or national if the account
    /// has a default country.
    #[serde(default)]
    #[schema(required, min_length = 7, pattern = "[0-9]")]
    pub(crate) to: String,
    /// The customer's name, 1 to 256 characters.
    #[schema(max_length = 256, pattern = "^[^\\x00]*$")]
    pub(crate) name: Option<String>,
    /// `image` or `video`.
    #[serde(default)]
    #[schema(required, pattern = "^(image|video)$")]
    pub(crate) kind: String,
    /// Where the file is; left out when it is uploaded.
    pub(crate) media: Option<MediaRequest>,
    /// At most 1024 characters.
    #[schema(max_length = 1024, pattern = "^[^\\x00]*$")]
    pub(crate) caption: Option<String>,
    /// Your references, at most 255 characters each. Kaleyra echoes them in callbacks; for other
    /// providers they are only stored.
    #[serde(default)]
    pub(crate) refs: ReferencesBody,
    /// Your own reference, never sent to the provider; at most 255 characters.
    #[schema(max_length = 255, pattern = "^[^\\x00]*$")]
    pub(crate) client_reference: Option<String>,
    /// Id of the campaign that it belongs to; the first message creates it.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,63}$")]
    pub(crate) campaign: Option<String>,
    /// How long it may stay queued: RFC 3339, or a duration such as `2h`; absent: the account's
    /// `send_before`. After that it fails as expired.
    #[schema(pattern = "^ *[0-9]")]
    pub(crate) send_before: Option<String>,
    /// `wa_source` (Kaleyra); `source`, `linkWithRecord` (Zixflow).
    #[serde(default)]
    #[schema(value_type = Object)]
    pub(crate) options: BTreeMap<String, serde_json::Value>,
    /// An approved template whose header is the media. It may be sent at any time.
    pub(crate) template: Option<TemplateRequest>,
}

/// Where the file is: exactly one of `url` and `id`.
#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct MediaRequest {
    /// A public http(s) URL.
    pub(crate) url: Option<String>,
    /// The id of an asset uploaded to Kaleyra before.
    pub(crate) id: Option<String>,
    /// `image/jpeg`, `image/png`, `video/mp4`, `video/3gp`; if absent, derived from the extension
    /// of the URL.
    pub(crate) mime_type: Option<String>,
}

/// The three references of a message.
#[derive(Deserialize, Serialize, ToSchema, Debug, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReferencesBody {
    #[schema(max_length = 255, pattern = "^[^\\x00]*$")]
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<String>,
    #[schema(max_length = 255, pattern = "^[^\\x00]*$")]
    #[serde(rename = "ref1", skip_serializing_if = "Option::is_none")]
    pub(crate) reference1: Option<String>,
    #[schema(max_length = 255, pattern = "^[^\\x00]*$")]
    #[serde(rename = "ref2", skip_serializing_if = "Option::is_none")]
    pub(crate) reference2: Option<String>,
}

impl From<&References> for ReferencesBody {
    fn from(references: &References) -> Self {
        Self {
            reference: references.reference.clone(),
            reference1: references.reference1.clone(),
            reference2: references.reference2.clone(),
        }
    }
}

impl From<ReferencesBody> for References {
    fn from(body: ReferencesBody) -> Self {
        Self {
            reference: body.reference,
            reference1: body.reference1,
            reference2: body.reference2,
        }
    }
}

impl From<SendRequest> for MessageInput {
    fn from(request: SendRequest) -> Self {
        let media = request.media;
        let (media_url, media_id, mime_type) = media.map_or((None, None, None), |media| {
            (media.url, media.id, media.mime_type)
        });
        Self {
            account: request.account,
            from: request.from,
            to: request.to,
            recipient_name: request.name,
            kind: request.kind,
            media_url,
            media_id,
            upload: None,
            mime_type,
            caption: request.caption,
            references: request.refs.into(),
            client_reference: request.client_reference,
            options: request.options,
            campaign: request.campaign,
            send_before: request.send_before,
            resend: None,
            author: None,
            template: request.template.map(Into::into),
        }
    }
}

/// A message that was accepted or registered.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct StoredMessageResponse {
    pub(crate) id: Uuid,
    /// Current delivery state.
    pub(crate) state: &'static str,
    pub(crate) account: String,
    pub(crate) created_at: String,
    /// Why it failed, if it did while the call waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<FailureResponse>,
    /// Warnings about valid input that is probably a mistake.
    pub(crate) warnings: Vec<WarningResponse>,
}
