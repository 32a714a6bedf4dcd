//! The section of the overview that shows whether callbacks or messages were lost.

use crate::domain::callback_outcome::Outcome;
use crate::reporting::loss_check::LossCheck;
use crate::reporting::number_format::{counted, format_count};
use crate::web::dashboard::time_element::TimeElement;

#[derive(Clone, Debug)]
pub(super) struct LossCheckSection {
    pub(super) agree: bool,
    pub(super) callbacks: String,
    /// Number of callbacks and name of each outcome.
    pub(super) parts: Vec<(String, &'static str)>,
    /// How many callbacks are missing, or too many.
    pub(super) difference: Option<String>,
    /// Messages of the last day, and the sum of their counts by state; `None` without messages.
    pub(super) messages: Option<(String, String)>,
    /// When the messages were counted.
    pub(super) checked: Option<TimeElement>,
    /// When `bluetick verify` last ran, and what it found.
    pub(super) verified: Option<(TimeElement, String)>,
}

impl LossCheckSection {
    pub(super) fn new(check: &LossCheck) -> Self {
        let number = |number: i64| format_count(u64::try_from(number).unwrap_or_default());
        let mut parts: Vec<(String, &'static str)> = check
            .outcomes
            .iter()
            .map(|(outcome, kept)| (number(*kept), word(*outcome)))
            .collect();
        parts.push((format_count(check.unprocessed), "unprocessed"));
        let difference = check.difference.filter(|difference| *difference != 0);
        // The first comparison of a new database is older than its first message.
        let compared = check
            .messages
            .filter(|compared| compared.messages != 0 || compared.counted != 0);
        Self {
            agree: check.counts_agree(),
            callbacks: number(check.callbacks()),
            parts,
            difference: difference.map(|difference| {
                let callbacks = counted(difference.unsigned_abs(), "callback", "callbacks");
                if difference > 0 {
                    format!("{callbacks} in the journal without an outcome")
                } else {
                    format!("{callbacks} with an outcome, but not in the journal's count")
                }
            }),
            messages: compared
                .map(|compared| (number(compared.messages), number(compared.counted))),
            checked: compared.map(|compared| TimeElement::new(compared.at)),
            verified: check.verified.map(|verified| {
                let found = match verified.discrepancies {
                    0 => "no discrepancies".to_owned(),
                    number => counted(number, "discrepancy", "discrepancies"),
                };
                (TimeElement::new(verified.at), found)
            }),
        }
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Receipts => "with receipts",
        Outcome::Inbound => "inbound",
        Outcome::Notice => "notices",
        Outcome::Probe => "probes",
        Outcome::Quarantined => "quarantined",
        Outcome::Unverified => "unverified",
    }
}
