//! Why a message's state is what it is, in words: which facts, which rule of the fold, what the failure means, what comes next.
//!
//! Pure: the same input gives the same words on the page, in the API and on the command line. It decides nothing; the fold did.

mod correlation_text;
mod next_steps;
mod receipts_text;
mod submission_text;

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::domain::audit_action::{Action, Verb};
use crate::domain::delivery::Delivery;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::failure::{Failure, FailureClass, OPERATOR_MARK_TITLE};
use crate::domain::failure_codes;
use crate::domain::ids::MessageId;
use crate::domain::message::Message;
use crate::domain::provider_account::AccountMode;
use crate::domain::receipt::{Receipt, SourceKind};
use crate::domain::scope::Visibility;

/// Everything that is known of one message, as the explanation needs it.
#[derive(Clone, Copy, Debug)]
pub struct ExplainInput<'a> {
    /// The message.
    pub message: &'a Message,
    /// What the fold made of its facts.
    pub delivery: &'a Delivery,
    /// The facts, in the order we heard of them.
    pub receipts: &'a [Receipt],
    /// Our exchanges with the provider, oldest first.
    pub attempts: &'a [AttemptSummary],
    /// What operators did about it, oldest first.
    pub actions: &'a [Action],
    /// Its account as it stands.
    pub account: &'a AccountConditions,
    /// Its place in the send queue.
    pub queue: QueueTiming,
    /// How it came to its facts.
    pub correlation: &'a Correlation,
    /// The instant of the explanation.
    pub now: DateTime<Utc>,
    /// What the reader may see of people.
    pub visibility: Visibility,
}

/// One exchange with the provider's send API.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AttemptSummary {
    /// Before the first byte.
    pub at: DateTime<Utc>,
    /// How it ended.
    pub end: AttemptEnd,
    /// The HTTP status, if there was an answer.
    pub http_status: Option<u16>,
    /// In words.
    pub detail: Option<String>,
}

/// How an exchange ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttemptEnd {
    /// It has not.
    Running,
    /// The provider took the message.
    Accepted,
    /// The provider refused it.
    Refused,
    /// It will be tried again.
    Postponed,
    /// Nobody knows.
    Unclear,
}

/// What of an account decides whether its messages leave the queue and when silence is too long.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct AccountConditions {
    /// The provider's reason for which sending is paused, and since when.
    pub pause: Option<(String, DateTime<Utc>)>,
    /// Live or dry-run; absent when it is not configured any more.
    pub mode: Option<AccountMode>,
    /// The limit in messages per second.
    pub rate: Option<f64>,
    /// How long after the submission a missing report is normal.
    pub deadline: Option<Duration>,
    /// How long unmatched reports wait before they become a message.
    pub adopt_after: Option<Duration>,
}

/// A message's place in the send queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct QueueTiming {
    /// When it is tried next.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// Later than this it fails as expired.
    pub send_before: Option<DateTime<Utc>>,
}

/// How a message came to facts that were not told to it directly.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Correlation {
    /// Messages known only from callbacks that live on in this one.
    pub merged: u64,
    /// Other sent messages that claim an id of this one, or hold one that it claims.
    pub conflicting: Vec<MessageId>,
    /// Those of them that keep an id which this one claims: its reports count there.
    pub id_holders: Vec<MessageId>,
    /// Whether the caller registered it rather than sent it.
    pub registered: bool,
}

/// Why a message's state is what it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// The state that is explained.
    pub state: DeliveryState,
    /// One or two sentences that stand alone.
    pub summary: String,
    /// Which facts, and which rule of the fold; a sentence or two each.
    pub because: Vec<String>,
    /// What the failure that is shown means; also where the state is not `failed`.
    pub failure: Option<ExplainedFailure>,
    /// What happens by itself, and what a person can do.
    pub what_next: Vec<String>,
    /// Other messages that the sentences name.
    pub related: Vec<MessageId>,
}

/// A failure in the provider's words and in ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExplainedFailure {
    /// The code, if the provider gave one.
    pub code: Option<String>,
    /// The provider's own words, or the operator's; empty where there were none.
    pub words: String,
    pub class: FailureClass,
    pub meaning: &'static str,
    pub action: &'static str,
}

/// What to do about a failure of a message that reached the phone, whatever its code asks for elsewhere.
const NOTHING_TO_RESEND: &str = "Nothing needs to be sent again.";

/// Explains a message.
pub fn explain(input: &ExplainInput<'_>) -> Explanation {
    let mut because = submission_text::beginnings(input);
    because.extend(submission_text::exchanges(input));
    because.extend(receipts_text::stages(input));
    because.extend(receipts_text::failures(input));
    because.extend(receipts_text::rest(input));
    because.extend(correlation_text::sentences(input));
    because.extend(receipts_text::rule(input));
    Explanation {
        state: input.delivery.state,
        summary: next_steps::summary(input),
        because,
        failure: failure_words(input),
        what_next: next_steps::what_next(input),
        related: related(input),
    }
}

/// The tooltip of a state. Whether a message that an operator marked as failed arrived is not known.
pub fn state_tooltip(state: DeliveryState, failure: Option<&Failure>) -> &'static str {
    if state == DeliveryState::Failed && failure.is_some_and(Failure::is_operator_mark) {
        OPERATOR_MARK_TITLE
    } else {
        state.tooltip()
    }
}

/// What a message's failure means and what to do about it: the dictionary's words, unless an operator gave the message up or it reached the phone.
pub fn explain_shown_failure(message: &Message, failure: &Failure) -> failure_codes::CodeMeaning {
    let known = failure_codes::describe(message.provider, failure);
    let (meaning, action) = match (failure.is_operator_mark(), message.conflict) {
        (true, false) => (next_steps::GIVEN_UP, next_steps::AFTER_GIVING_UP),
        (true, true) => (next_steps::OVERTAKEN, NOTHING_TO_RESEND),
        (false, false) => (known.meaning, known.action),
        (false, true) => (known.meaning, NOTHING_TO_RESEND),
    };
    failure_codes::CodeMeaning {
        meaning,
        action,
        ..known
    }
}

fn related(input: &ExplainInput<'_>) -> Vec<MessageId> {
    let repeats = [input.message.resend_of, input.message.resent_as];
    let conflicting = input.correlation.conflicting.iter().copied();
    repeats.into_iter().flatten().chain(conflicting).collect()
}

fn failure_words(input: &ExplainInput<'_>) -> Option<ExplainedFailure> {
    let failure = &input.delivery.failure.as_ref()?.failure;
    let known = explain_shown_failure(input.message, failure);
    Some(ExplainedFailure {
        code: failure.code.as_deref().map(|code| input.code(code)),
        words: input.quote(&failure.text()),
        class: known.class,
        meaning: known.meaning,
        action: known.action,
    })
}

impl ExplainInput<'_> {
    /// The provider's name as the company writes it.
    fn provider(&self) -> &'static str {
        self.message.provider.title()
    }

    /// Who gave it up, as the reader may see them.
    fn giver_up(&self) -> String {
        self.actions
            .iter()
            .rev()
            .find(|action| action.verb == Verb::MarkFailed)
            .map_or_else(
                || "an operator".to_owned(),
                |action| format!("an operator ({})", self.quote(&action.actor)),
            )
    }

    /// Whether a report names somebody other than the one person that this message was sent to.
    fn names_another(&self, receipt: &Receipt) -> bool {
        let sent_to = self.message.recipient.as_deref();
        self.message.origin.is_ours()
            && receipt.source_kind == SourceKind::Callback
            && sent_to
                .zip(receipt.recipient.as_deref())
                .is_some_and(|(to, named)| are_two_numbers(to, named))
    }

    /// A failure's code as the reader may see it, on one line.
    fn code(&self, code: &str) -> String {
        self.visibility.mask_code(&one_line(code))
    }

    /// Words that others wrote, as the reader may see them, on one line.
    fn quote(&self, text: &str) -> String {
        let line = one_line(text);
        if self.visibility == Visibility::Full {
            return line;
        }
        let named = match self.message.name.as_deref().map(str::trim) {
            Some(name) if !name.is_empty() => line.replace(name, "•••"),
            _ => line,
        };
        self.visibility.mask_text(&named)
    }
}

/// Whether both are phone numbers and not the same one; a number may be written without its country code.
fn are_two_numbers(one: &str, other: &str) -> bool {
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
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

impl Explanation {
    /// The explanation as lines of text, as the command line prints it.
    pub fn text(&self) -> String {
        let mut lines = vec![
            format!("{}: {}", self.state, self.summary),
            String::new(),
            "Because".to_owned(),
        ];
        lines.extend(self.because.iter().map(|line| format!("- {line}")));
        if let Some(failure) = &self.failure {
            lines.extend([String::new(), "The failure".to_owned()]);
            lines.extend(failure.lines());
        }
        if !self.what_next.is_empty() {
            lines.extend([String::new(), "Next steps".to_owned()]);
            lines.extend(self.what_next.iter().map(|line| format!("- {line}")));
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

impl ExplainedFailure {
    /// What was said: the code, if there is one, and the words behind it.
    pub fn said(&self) -> String {
        match (&self.code, self.words.as_str()) {
            (Some(code), "") => code.clone(),
            (Some(code), words) => format!("{code}: {words}"),
            (None, "") => "(no code and no words)".to_owned(),
            (None, words) => format!("(no code) {words}"),
        }
    }

    fn lines(&self) -> Vec<String> {
        vec![
            format!("  said:    {}", self.said()),
            format!("  meaning: {}", self.meaning),
            format!("  to do:   {}", self.action),
            format!("  class:   {}", self.class),
        ]
    }
}

/// An instant as the sentences write it.
fn at(instant: DateTime<Utc>) -> String {
    instant
        .to_rfc3339_opts(SecondsFormat::Secs, true)
        .replace('T', " ")
        .replace('Z', " UTC")
}

/// `24 hours`, `90 minutes`, `30 seconds`.
fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    let (number, unit) = match seconds {
        0 => (0, "second"),
        _ if seconds.is_multiple_of(86_400) && seconds > 86_400 => (seconds / 86_400, "day"),
        _ if seconds.is_multiple_of(3_600) => (seconds / 3_600, "hour"),
        _ if seconds.is_multiple_of(60) => (seconds / 60, "minute"),
        _ => (seconds, "second"),
    };
    counted(number, unit)
}

/// `1 report`, `3 reports`.
fn counted(number: u64, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

/// ` (×3)` from the second on.
fn times(count: u32) -> String {
    if count > 1 {
        format!(" (×{count})")
    } else {
        String::new()
    }
}
