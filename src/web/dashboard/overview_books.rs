//! The books on the overview: that every callback and every message is accounted for.

use crate::domain::callback_outcome::Outcome;
use crate::reporting::books::Books;
use crate::web::dashboard::number_format::{count, counted};
use crate::web::dashboard::time_element::TimeElement;

#[derive(Clone, Debug)]
pub(super) struct BooksSection {
    pub(super) agree: bool,
    pub(super) callbacks: String,
    /// Number and word of each part.
    pub(super) parts: Vec<(String, &'static str)>,
    /// How many are missing, or too many.
    pub(super) difference: Option<String>,
    /// Messages of the last day, and the sum of their counts by state.
    pub(super) messages: Option<(String, String)>,
    pub(super) checked: Option<TimeElement>,
    pub(super) verified: Option<(TimeElement, String)>,
}

impl BooksSection {
    pub(super) fn new(books: &Books) -> Self {
        let number = |number: i64| count(u64::try_from(number).unwrap_or_default());
        let mut parts: Vec<(String, &'static str)> = books
            .outcomes
            .iter()
            .map(|(outcome, kept)| (number(*kept), word(*outcome)))
            .collect();
        parts.push((count(books.unprocessed), "unprocessed"));
        let difference = books.difference.filter(|difference| *difference != 0);
        Self {
            agree: books.agree(),
            callbacks: number(books.callbacks()),
            parts,
            difference: difference.map(|difference| {
                let callbacks = counted(difference.unsigned_abs(), "callback", "callbacks");
                if difference > 0 {
                    format!("{callbacks} of the journal without an outcome")
                } else {
                    format!("{callbacks} with an outcome, but not in the journal's count")
                }
            }),
            messages: books
                .messages
                .map(|compared| (number(compared.messages), number(compared.counted))),
            checked: books.messages.map(|compared| TimeElement::new(compared.at)),
            verified: books.verified.map(|verified| {
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
