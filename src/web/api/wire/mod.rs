//! The JSON of the API, masked for callers without `operate`. One file per resource.

pub(crate) mod account_response;
pub(crate) mod bulk_messages;
pub(crate) mod callback_responses;
pub(crate) mod campaign_responses;
pub(crate) mod message_parts;
pub(crate) mod message_response;
pub(crate) mod problem_responses;
pub(crate) mod send_request;
pub(crate) mod statistics_responses;
pub(crate) mod summary_responses;
pub(crate) mod template_body;
pub(crate) mod warning_response;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::domain::masking::mask_middle;
use crate::domain::scope::Visibility;

/// RFC 3339, UTC, milliseconds.
pub(crate) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A phone number, or any other id of a recipient that a callback named.
pub(crate) fn recipient_text(recipient: &str, visibility: Visibility) -> String {
    match visibility {
        Visibility::Full => recipient.to_owned(),
        Visibility::Masked => mask_middle(recipient),
    }
}
