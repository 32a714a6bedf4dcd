//! One callback as a row of a list.

use crate::domain::callback_outcome::Outcome;
use crate::domain::scope::Visibility;
use crate::reporting::callback_filter::outcome_word;
use crate::reporting::callback_views::ListedCallback;
use crate::reporting::number_format;
use crate::web::dashboard::callback_meaning::meaning_text;
use crate::web::dashboard::message_summary::short_id;
use crate::web::dashboard::time_element::TimeElement;
use crate::web::dashboard::visible_text::visible_line;

/// A batch can name hundreds of messages.
const MESSAGES_SHOWN: usize = 3;

#[derive(Clone, Debug)]
pub(super) struct CallbackRow {
    pub(super) href: String,
    pub(super) received: TimeElement,
    pub(super) account: String,
    pub(super) method: String,
    pub(super) size: String,
    pub(super) outcome: &'static str,
    pub(super) meaning: &'static str,
    /// Short id and URL.
    pub(super) messages: Vec<(String, String)>,
    pub(super) more: Option<String>,
    /// What it reported, if it was about a message or its parser says more than the outcome.
    pub(super) reported: Option<String>,
    /// The recipient of the first report that names one.
    pub(super) recipient: Option<String>,
}

impl CallbackRow {
    pub(super) fn new(callback: &ListedCallback, viewer: Visibility) -> Self {
        let more = callback.messages.len().saturating_sub(MESSAGES_SHOWN);
        Self {
            href: format!("/callbacks/{}", callback.summary.id),
            received: TimeElement::new(callback.summary.received_at),
            account: callback.summary.account.to_string(),
            method: visible_line(&callback.summary.method),
            size: number_format::size(callback.summary.size),
            outcome: outcome_word(callback.outcome),
            meaning: outcome_tooltip(callback.outcome),
            messages: callback
                .messages
                .iter()
                .take(MESSAGES_SHOWN)
                .map(|id| (short_id(*id), format!("/messages/{id}")))
                .collect(),
            more: (more > 0).then(|| format!("and {more} more")),
            reported: meaning_text(callback, viewer),
            recipient: callback
                .reports
                .iter()
                .find_map(|report| report.recipient.as_deref())
                .map(|recipient| viewer.phone(recipient)),
        }
    }
}

fn outcome_tooltip(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Receipts) => "It reported the status of at least one message.",
        Some(Outcome::Inbound) => "A customer wrote. The content is not processed.",
        Some(Outcome::Notice) => "Understood, but not about a message.",
        Some(Outcome::Probe) => "A test whether the URL works.",
        Some(Outcome::Quarantined) => {
            "At least a part of it could not be parsed. It is kept and can be replayed once the parser is fixed."
        }
        Some(Outcome::Unverified) => "It failed the account's authentication and was not applied.",
        None => "It is stored in the journal and not processed yet.",
    }
}
