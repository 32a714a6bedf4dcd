//! A message as a caller sends it, before validation.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::domain::ids::MessageId;
use crate::domain::message::References;

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
    /// Set if this is a resend: of which message, by whom.
    pub resend: Option<Resend>,
}

/// The origin of a message that repeats another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resend {
    /// The message that is repeated.
    pub of: MessageId,
    /// A token's name, or `dashboard`.
    pub actor: String,
}

/// An uploaded file in a temporary location.
#[derive(Clone, Debug)]
pub struct ReceivedFile {
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    pub file_name: Option<String>,
    pub content_type: Option<String>,
}
