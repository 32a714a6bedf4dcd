//! A message as a caller sends it, before validation.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::domain::ids::MessageId;
use crate::domain::media::Upload;
use crate::domain::message::{Message, References};

/// A message from a caller. Not validated.
#[derive(Clone, Debug, Default)]
pub struct MessageInput {
    pub account: String,
    /// One of the account's senders; absent means the first.
    pub from: Option<String>,
    pub to: String,
    pub recipient_name: Option<String>,
    /// `image` or `video`.
    pub kind: String,
    /// A public URL of the file.
    pub media_url: Option<String>,
    /// The id of a file that was uploaded to the provider before.
    pub media_id: Option<String>,
    pub upload: Option<ReceivedFile>,
    pub mime_type: Option<String>,
    pub caption: Option<String>,
    pub references: References,
    /// Never sent to the provider.
    pub client_reference: Option<String>,
    pub options: BTreeMap<String, serde_json::Value>,
    /// Id of a campaign, which is created if it does not exist.
    pub campaign: Option<String>,
    /// How long it may stay queued: RFC 3339, or a duration such as `2h`; absent means the account's
    /// setting.
    pub send_before: Option<String>,
    /// Set if this message is a resend.
    pub resend: Option<Resend>,
    /// Set if an operator wrote the message, which the audit log records.
    pub author: Option<Author>,
    pub template: Option<TemplateInput>,
}

/// A template and the values of its variables; the media is its header. Not validated.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TemplateInput {
    pub name: String,
    pub language: Option<String>,
    pub body: Vec<String>,
    pub buttons: Vec<ButtonInput>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ButtonInput {
    /// `url`, `quick_reply` or `copy_code`.
    pub kind: String,
    /// Its position in the template, from 0; absent means its position in this list.
    pub index: Option<u8>,
    pub value: String,
}

/// The origin of a message that repeats another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resend {
    /// The message that is repeated.
    pub of: MessageId,
    /// The actor of the audit log.
    pub actor: String,
    pub address: Option<String>,
}

/// The operator who wrote a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Author {
    /// The actor of the audit log.
    pub actor: String,
    pub address: Option<String>,
}

/// An uploaded file in a temporary location.
#[derive(Clone, Debug)]
pub struct ReceivedFile {
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    pub file_name: Option<String>,
    pub content_type: Option<String>,
    /// Hash of its bytes, base64url.
    pub sha256: String,
}

impl ReceivedFile {
    /// The uploaded file of a stored message, as input for another message.
    pub fn of_message(message: &Message, upload: Upload) -> Self {
        let media = message.media.as_ref();
        Self {
            path: upload.path,
            size: upload.size,
            file_name: None,
            content_type: media.and_then(|media| media.mime_type.clone()),
            // No idempotency key depends on it.
            sha256: String::new(),
        }
    }
}

/// Whether the media file itself is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MediaInspection {
    Full,
    /// The file is not available, or checking it takes too long.
    Skipped,
}

/// The caller's key that makes a request idempotent, before the request is validated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestKey {
    /// At most 255 characters.
    pub name: String,
    pub request: KeyedRequest,
}

/// Which requests with one key count as repetitions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyedRequest {
    /// Requests with the same meaning.
    Meaning {
        /// Hash of the raw body, which earlier versions compared.
        body_hash: String,
    },
    /// All requests.
    Any,
}
