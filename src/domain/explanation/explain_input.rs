//! What an explanation is computed from, and how it quotes texts of providers and operators.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::attempt_outcome::AttemptOutcome;
use crate::domain::audit_action::{Action, ActionKind};
use crate::domain::delivery::Delivery;
use crate::domain::failure::Failure;
use crate::domain::ids::MessageId;
use crate::domain::message::Message;
use crate::domain::provider_account::AccountMode;
use crate::domain::receipt::{Receipt, SourceKind};
use crate::domain::scope::Visibility;

#[derive(Clone, Copy, Debug)]
pub struct ExplainInput<'a> {
    pub message: &'a Message,
    pub delivery: &'a Delivery,
    /// In receive order.
    pub receipts: &'a [Receipt],
    /// Oldest first.
    pub attempts: &'a [AttemptSummary],
    /// Oldest first.
    pub actions: &'a [Action],
    pub account: &'a AccountConditions,
    pub queue: QueueTiming,
    pub correlation: &'a Correlation,
    /// Why a resend would fail again, and what to do instead; replaces the action of the failure
    /// code.
    pub resend_advice: Option<&'a str>,
    pub now: DateTime<Utc>,
    pub visibility: Visibility,
}

/// One exchange with the provider's send API.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AttemptSummary {
    pub at: DateTime<Utc>,
    pub outcome: AttemptOutcome,
    pub http_status: Option<u16>,
    pub detail: Option<String>,
}

/// The conditions of an account that decide whether its messages are sent and when they are
/// overdue.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct AccountConditions {
    /// Reason and start of a pause.
    pub pause: Option<(String, DateTime<Utc>)>,
    /// Why the circuit breaker is open and only single messages are sent as a test, and since when.
    pub trip: Option<(String, DateTime<Utc>)>,
    /// Absent if the account is no longer configured.
    pub mode: Option<AccountMode>,
    /// Messages per second.
    pub rate: Option<f64>,
    pub report_deadline: Option<Duration>,
    pub adopt_after: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct QueueTiming {
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// When the message expires.
    pub send_before: Option<DateTime<Utc>>,
}

/// How receipts were assigned to a message.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Correlation {
    /// Orphans that were merged into this message.
    pub merged: u64,
    /// Sent messages that claim an id of this one, or have one that this one claims.
    pub conflicting: Vec<MessageId>,
    /// The conflicting messages that have an id which this one claims: its reports count there.
    pub id_holders: Vec<MessageId>,
    /// Registered by a caller instead of sent.
    pub registered: bool,
}

impl ExplainInput<'_> {
    pub(super) fn provider(&self) -> &'static str {
        self.message.provider.title()
    }

    pub(super) fn is_marked_as_failed(&self) -> bool {
        let shown = self.delivery.failure.as_ref();
        shown.is_some_and(|shown| shown.failure.is_operator_mark())
    }

    /// The last action of this kind.
    pub(super) fn last_action(&self, kind: ActionKind) -> Option<&Action> {
        self.actions.iter().rfind(|action| action.kind == kind)
    }

    /// `operator (night shift)`
    pub(super) fn operator(&self, action: &Action) -> String {
        format!("operator ({})", self.quote(&action.actor))
    }

    /// Whether a report names a phone number other than the one the message was sent to.
    pub(super) fn names_other_recipient(&self, receipt: &Receipt) -> bool {
        self.message.origin.is_ours()
            && receipt.source_kind == SourceKind::Callback
            && (self.message.recipient.as_deref())
                .zip(receipt.recipient.as_deref())
                .is_some_and(|(sent_to, named)| are_different_numbers(sent_to, named))
    }

    pub(super) fn code(&self, code: &str) -> String {
        self.visibility.mask_code(&one_line(code))
    }

    /// ` with 131026`, ` without a code`
    pub(super) fn with_code(&self, failure: &Failure) -> String {
        failure.code.as_deref().map_or_else(
            || " without a code".to_owned(),
            |code| format!(" with {}", self.code(code)),
        )
    }

    /// The text on one line, masked if the viewer may not see personal data.
    pub(super) fn quote(&self, text: &str) -> String {
        let line = one_line(text);
        if self.visibility == Visibility::Full {
            return line;
        }
        let without_name = match self.message.name.as_deref().map(str::trim) {
            Some(name) if !name.is_empty() => line.replace(name, "•••"),
            _ => line,
        };
        self.visibility.mask_text(&without_name)
    }

    /// `: text` for the end of a sentence; empty for an empty text.
    pub(super) fn suffix(&self, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        format!(": {}", self.quote(text).trim_end_matches('.'))
    }
}

/// Whether both are phone numbers and differ; one may lack the country code.
fn are_different_numbers(one: &str, other: &str) -> bool {
    let digits = |text: &str| -> Option<String> {
        let is_number = text
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '+' | ' ' | '-' | '(' | ')' | '.'));
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        (is_number && digits.len() >= 7).then_some(digits)
    };
    digits(one)
        .zip(digits(other))
        .is_some_and(|(one, other)| !one.ends_with(&other) && !other.ends_with(&one))
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}
