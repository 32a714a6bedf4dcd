//! Preview and result of a resend of many messages: how many would probably fail again, and a link to the
//! new messages.

use chrono::{SecondsFormat, TimeDelta};

use crate::domain::ids::MessageId;
use crate::operating::bulk_actions::{BulkResult, Obstacle};
use crate::reporting::number_format::{counted, format_count};
use crate::web::dashboard::page_url::with_query;
use crate::web::dashboard::visible_text::visible_line;

const MAX_IDS_IN_URL: usize = 100;

/// Messages that would probably fail again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct RepeatedFailures {
    pub(super) title: String,
    pub(super) reasons: Vec<String>,
}

impl RepeatedFailures {
    /// `None` if none is expected.
    pub(super) fn of(result: &BulkResult) -> Option<Self> {
        let mut expected = result.expected_failures.clone();
        expected.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
        let number: u64 = expected.iter().map(|(_, number)| number).sum();
        let reasons = expected.into_iter().map(|(reason, number)| {
            let messages = counted(number, "message", "messages");
            format!("{messages}: {}", visible_line(&reason))
        });
        (number > 0).then(|| Self {
            title: format!(
                "{} of {} would probably fail again",
                format_count(number),
                format_count(result.count)
            ),
            reasons: reasons.collect(),
        })
    }
}

/// Text and URL of the list of the new messages.
pub(super) fn created_link(result: &BulkResult) -> Option<(String, String)> {
    let number = u64::try_from(result.created.len()).unwrap_or(u64::MAX);
    let href = href_by_ids(&result.created).or_else(|| href_by_creation(&result.created))?;
    let text = format!(
        "Show the {}",
        counted(number, "new message", "new messages")
    );
    Some((text, href))
}

/// The list of these messages; `None` if there are none, or too many for a URL.
pub(super) fn href_by_ids(ids: &[MessageId]) -> Option<String> {
    if ids.is_empty() || ids.len() > MAX_IDS_IN_URL {
        return None;
    }
    let ids: Vec<String> = ids.iter().map(MessageId::to_string).collect();
    Some(with_query("/messages", &[("id", ids.join(","))]))
}

/// The list of the messages created with the first one: one action creates all of them at one instant.
fn href_by_creation(ids: &[MessageId]) -> Option<String> {
    let at = ids.first()?.created_at()?;
    let print = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let pairs = [
        ("created_after", print(at)),
        ("created_before", print(at + TimeDelta::milliseconds(1))),
    ];
    Some(with_query("/messages", &pairs))
}

/// The first refusal of the new media, if no message can be resent.
pub(super) fn media_error(result: &BulkResult) -> Option<String> {
    let mut reasons = result.listed.iter().map(|(_, reason)| reason);
    let refused = reasons.find_map(|reason| match reason {
        Obstacle::Media(text) => Some(visible_line(text)),
        _ => None,
    });
    refused.filter(|_| result.count == 0)
}
