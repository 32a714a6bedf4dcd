//! Mistakes in an account's set-up at its provider that do no harm here, and deviations from what the
//! provider documents, each with its correction.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::ids::ProviderMessageId;
use crate::domain::masking::mask_numbers_and_wamids;
use crate::store::account_records::AccountRecord;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountWarning {
    /// Stable: callers branch on it.
    pub code: &'static str,
    /// What was seen, and what to correct.
    pub message: String,
    pub last_seen_at: DateTime<Utc>,
}

/// A mistake counts as corrected when no callback has had it for this long.
const CORRECTED_AFTER: TimeDelta = TimeDelta::hours(24);

pub fn list_warnings(record: &AccountRecord) -> Vec<AccountWarning> {
    let console = format!("{}'s console", record.provider.title());
    let (constant_id, constant_id_at) = record
        .constant_id
        .as_ref()
        .map_or(("", None), |(text, at)| (text.as_str(), Some(*at)));
    [
        (
            "template_sends_constant_id",
            constant_id_at,
            format!(
                "Reports may not be matched with their message: this account's callback template sends `{}` as \
                 the id. It identifies no message and is ignored. Correct the template in \
                 {console}.",
                mask_numbers_and_wamids(constant_id)
            ),
        ),
        (
            "long_ids",
            record.long_id_at,
            format!(
                "Message ids have more than {} characters, the longest that providers document. \
                 They are kept and matched; ids of more than {} characters would not be.",
                ProviderMessageId::DOCUMENTED_LIMIT,
                ProviderMessageId::LIMIT
            ),
        ),
        (
            "callback_url_white_space",
            record.url_space_at,
            format!(
                "Callbacks arrive at the callback URL with a space or another character at its end. \
                 They are accepted. Correct the URL in {console}: delete everything after it."
            ),
        ),
        (
            "callback_url_doubled_slash",
            record.url_slash_at,
            format!(
                "Callbacks arrive at the callback URL with a doubled slash in its path. They are \
                 accepted. Correct the URL in {console}: copy it from here again."
            ),
        ),
    ]
    .into_iter()
    .filter_map(|(code, seen_at, message)| {
        let last_seen_at = seen_at?;
        let is_current = record
            .last_callback_at
            .is_none_or(|last| last - last_seen_at < CORRECTED_AFTER);
        is_current.then_some(AccountWarning {
            code,
            message,
            last_seen_at,
        })
    })
    .collect()
}
