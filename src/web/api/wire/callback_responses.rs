//! The JSON of callbacks and of orphans, the messages known only from callbacks.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// One callback.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct CallbackResponse {
    pub(crate) id: Uuid,
    pub(crate) account: String,
    pub(crate) method: String,
    pub(crate) received_at: String,
    /// Bytes of the body.
    pub(crate) size: u64,
    /// `receipts`, `inbound`, `notice`, `probe`, `quarantined`, `unverified` or `pending`.
    pub(crate) outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    pub(crate) message_ids: Vec<Uuid>,
}

/// One message known only from callbacks.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct OrphanResponse {
    pub(crate) id: Uuid,
    pub(crate) account: String,
    pub(crate) provider_ids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recipient: Option<String>,
    pub(crate) first_received_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stage: Option<&'static str>,
    /// Messages without an id that went to the same recipient.
    pub(crate) suggestions: Vec<Uuid>,
}
