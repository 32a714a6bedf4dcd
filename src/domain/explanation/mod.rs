//! Explains in sentences why a message has its state: receipts, the rule of the fold, the failure,
//! next steps.
//!
//! Pure: the dashboard, the API and the command line show the same text. The state itself is
//! computed by the fold.

mod explain_input;
mod fold_rule;
mod next_steps;
mod reasons;
mod receipt_reasons;
mod report_anomalies;
mod sentence_parts;

pub use crate::domain::explanation::explain_input::{
    AccountConditions, AttemptSummary, Correlation, ExplainInput, QueueTiming,
};

use crate::domain::delivery_state::DeliveryState;
use crate::domain::explanation::sentence_parts::{
    ARRIVAL_UNKNOWN, NOTHING_TO_RESEND, REPORTS_OVERRIDE_MARK, RESEND,
};
use crate::domain::failure::{Failure, FailureClass, OPERATOR_MARK_TITLE};
use crate::domain::failure_codes::{self, CodeMeaning};
use crate::domain::ids::MessageId;
use crate::domain::message::Message;

/// Why a message has its state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    pub state: DeliveryState,
    /// One or two sentences that can be read alone.
    pub summary: String,
    /// One or two sentences each.
    pub because: Vec<String>,
    /// Also present where the state is not `failed`.
    pub failure: Option<ExplainedFailure>,
    /// What happens automatically, and what an operator can do.
    pub what_next: Vec<String>,
    /// Other messages that the sentences mention.
    pub related: Vec<MessageId>,
}

/// A failure with the provider's text and ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExplainedFailure {
    pub code: Option<String>,
    /// The provider's or the operator's text; may be empty.
    pub words: String,
    pub class: FailureClass,
    pub meaning: &'static str,
    pub action: String,
}

pub fn explain(input: &ExplainInput<'_>) -> Explanation {
    let mut because = reasons::origin(input);
    because.extend(reasons::attempts(input));
    because.extend(receipt_reasons::receipts(input));
    because.extend(report_anomalies::anomalies(input));
    because.extend(reasons::correlation(input));
    because.extend(reasons::actions(input));
    because.extend(fold_rule::rule(input));
    Explanation {
        state: input.delivery.state,
        summary: next_steps::summary(input),
        because,
        failure: explained_failure(input),
        what_next: next_steps::what_next(input),
        related: [input.message.resend_of, input.message.resent_as]
            .into_iter()
            .flatten()
            .chain(input.correlation.conflicting.iter().copied())
            .collect(),
    }
}

/// The tooltip of a state. A message that an operator marked as failed may still have arrived, so
/// it has its own.
pub fn state_tooltip(state: DeliveryState, failure: Option<&Failure>) -> &'static str {
    if state == DeliveryState::Failed && failure.is_some_and(Failure::is_operator_mark) {
        OPERATOR_MARK_TITLE
    } else {
        state.tooltip()
    }
}

/// Meaning and action of a message's failure. They differ from those of its code if an operator
/// marked the message as failed, or if a delivery was reported.
pub fn explain_shown_failure(message: &Message, failure: &Failure) -> CodeMeaning {
    let described = failure_codes::describe(message.provider, failure);
    let (meaning, action) = match (failure.is_operator_mark(), message.conflict) {
        (true, false) => (ARRIVAL_UNKNOWN, RESEND),
        (true, true) => (REPORTS_OVERRIDE_MARK, NOTHING_TO_RESEND),
        (false, false) => (described.meaning, described.action),
        (false, true) => (described.meaning, NOTHING_TO_RESEND),
    };
    CodeMeaning {
        meaning,
        action,
        ..described
    }
}

fn explained_failure(input: &ExplainInput<'_>) -> Option<ExplainedFailure> {
    let failure = &input.delivery.failure.as_ref()?.failure;
    let described = explain_shown_failure(input.message, failure);
    Some(ExplainedFailure {
        code: failure.code.as_deref().map(|code| input.code(code)),
        words: input.quote(&failure.text()),
        class: described.class,
        meaning: described.meaning,
        action: input
            .resend_advice
            .filter(|_| !input.message.conflict)
            .unwrap_or(described.action)
            .to_owned(),
    })
}

impl Explanation {
    /// Plain text, as the command line prints it.
    pub fn text(&self) -> String {
        let mut lines = vec![
            format!("{}: {}", self.state, self.summary),
            String::new(),
            "Because".to_owned(),
        ];
        lines.extend(self.because.iter().map(|line| format!("- {line}")));
        if let Some(failure) = &self.failure {
            lines.extend([
                String::new(),
                "Failure".to_owned(),
                format!("  reported: {}", failure.code_and_words()),
                format!("  meaning:  {}", failure.meaning),
                format!("  action:   {}", failure.action),
                format!("  class:    {}", failure.class),
            ]);
        }
        if !self.what_next.is_empty() {
            lines.extend([String::new(), "Next".to_owned()]);
            lines.extend(self.what_next.iter().map(|line| format!("- {line}")));
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

impl ExplainedFailure {
    pub fn code_and_words(&self) -> String {
        match (&self.code, self.words.as_str()) {
            (Some(code), "") => code.clone(),
            (Some(code), words) => format!("{code}: {words}"),
            (None, "") => "(no code, no text)".to_owned(),
            (None, words) => format!("(no code) {words}"),
        }
    }
}
