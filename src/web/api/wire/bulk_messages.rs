//! Requests and results of actions on many messages.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::operating::bulk_actions::BulkResult;
use crate::web::api::filter_schema::MessageFilterBody;
use crate::web::api::wire::send_request::MediaRequest;

/// Which messages to send again.
#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResendMessagesRequest {
    /// The filters of the list of messages, by name; at least one. Without a `state` or an `id` only
    /// failed messages are resent.
    #[schema(value_type = MessageFilterBody)]
    pub(crate) filter: Map<String, Value>,
    /// Instead of the media of the messages.
    pub(crate) media: Option<MediaRequest>,
    /// Count them, and send none.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// Which queued messages to cancel.
#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct CancelMessagesRequest {
    /// The filters of the list of messages, by name; at least one.
    #[schema(value_type = MessageFilterBody)]
    pub(crate) filter: Map<String, Value>,
    /// Count them, and cancel none.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// Which messages to mark as failed.
#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct MarkMessagesFailedRequest {
    /// The filters of the list of messages, by name; at least one. Without a `state` or an `id` only
    /// uncertain messages are marked.
    #[schema(value_type = MessageFilterBody)]
    pub(crate) filter: Map<String, Value>,
    /// Shown on the messages' pages.
    #[schema(max_length = 1000, pattern = "^[^\\x00]*$")]
    pub(crate) reason: Option<String>,
    /// Count them, and mark none.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// How many messages the action changed, or would change.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct BulkResponse {
    pub(crate) dry_run: bool,
    pub(crate) count: u64,
    /// Matching messages for which the action is not possible.
    pub(crate) skipped: u64,
    /// The first 100 of these.
    pub(crate) skipped_messages: Vec<SkippedMessage>,
}

/// A message for which the action is not possible.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct SkippedMessage {
    pub(crate) id: Uuid,
    pub(crate) reason: String,
}

impl BulkResponse {
    pub(crate) fn new(result: BulkResult, dry_run: bool) -> Self {
        let skipped = result.listed.into_iter();
        Self {
            dry_run,
            count: result.count,
            skipped: result.skipped,
            skipped_messages: skipped
                .map(|(id, reason)| SkippedMessage {
                    id: id.uuid(),
                    reason: reason.to_string(),
                })
                .collect(),
        }
    }
}
