//! The filters of a list of callbacks: one list for the API, the page and the OpenAPI document.

use chrono::{DateTime, Utc};

use crate::domain::callback_outcome::Outcome;
use crate::domain::ids::AccountId;
use crate::reporting::query_values::{parse_account, parse_instant, print_instant};
use crate::reporting::value_shape::ValueShape;

/// The value that selects callbacks that are not processed yet.
pub const PENDING: &str = "pending";
/// Characters of the text that bodies are searched for. A shorter text is in nearly all bodies.
const TEXT_LENGTH: std::ops::RangeInclusive<usize> = 3..=200;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallbackFilter {
    pub account: Option<AccountId>,
    /// `Some(None)` for callbacks that are not processed yet.
    pub outcome: Option<Option<Outcome>>,
    /// Inclusive.
    pub received_after: Option<DateTime<Utc>>,
    /// Exclusive.
    pub received_before: Option<DateTime<Utc>>,
    /// A text that the body contains, byte for byte.
    pub text: Option<String>,
}

#[derive(Clone, Copy, Debug)]
pub struct CallbackField {
    /// The query parameter.
    pub name: &'static str,
    pub description: &'static str,
    pub shape: ValueShape,
    /// Errors are appended to the field's name.
    pub parse: fn(&mut CallbackFilter, &str) -> Result<(), String>,
    /// The canonical value, which `parse` accepts.
    pub print: fn(&CallbackFilter) -> Option<String>,
}

pub const CALLBACK_FIELDS: [CallbackField; 5] = [
    CallbackField {
        name: "account",
        description: "Account id.",
        shape: ValueShape::Slug,
        parse: |filter, text| {
            filter.account = Some(parse_account(text)?);
            Ok(())
        },
        print: |filter| filter.account.as_ref().map(AccountId::to_string),
    },
    CallbackField {
        name: "outcome",
        description: "receipts, inbound, notice, probe, quarantined, unverified or pending. `quarantined` selects all callbacks of which any part could not be parsed, also those whose outcome is another one.",
        shape: ValueShape::Word(|| {
            let words = Outcome::ALL.map(Outcome::as_str);
            words.into_iter().chain([PENDING]).collect()
        }),
        parse: |filter, text| {
            let processed = (text != PENDING).then(|| Outcome::parse(text));
            if processed == Some(None) {
                return Err(format!("is not one of {}, {PENDING}", Outcome::words()));
            }
            filter.outcome = Some(processed.flatten());
            Ok(())
        },
        print: |filter| Some(outcome_word(filter.outcome?).to_owned()),
    },
    CallbackField {
        name: "received_after",
        description: "An RFC 3339 instant, inclusive.",
        shape: ValueShape::Instant,
        parse: |filter, text| {
            filter.received_after = Some(parse_instant(text)?);
            Ok(())
        },
        print: |filter| filter.received_after.map(print_instant),
    },
    CallbackField {
        name: "received_before",
        description: "An RFC 3339 instant, exclusive.",
        shape: ValueShape::Instant,
        parse: |filter, text| {
            filter.received_before = Some(parse_instant(text)?);
            Ok(())
        },
        print: |filter| filter.received_before.map(print_instant),
    },
    CallbackField {
        name: "q",
        description: "Text in the body, 3 to 200 characters, byte for byte; needs the scope `operate`. One request searches at most 5,000 callbacks and 32 MiB of bodies.",
        shape: ValueShape::SearchText {
            least: *TEXT_LENGTH.start(),
            most: *TEXT_LENGTH.end(),
        },
        parse: |filter, text| {
            if !TEXT_LENGTH.contains(&text.chars().count()) {
                let (min, max) = (TEXT_LENGTH.start(), TEXT_LENGTH.end());
                return Err(format!("must have {min} to {max} characters"));
            }
            filter.text = Some(text.to_owned());
            Ok(())
        },
        print: |filter| filter.text.clone(),
    },
];

pub fn outcome_word(outcome: Option<Outcome>) -> &'static str {
    outcome.map_or(PENDING, Outcome::as_str)
}

/// Name and value of every field that is set, in the order of the list.
pub fn print_callback_fields(filter: &CallbackFilter) -> Vec<(&'static str, String)> {
    let fields = CALLBACK_FIELDS.iter();
    fields
        .filter_map(|field| Some((field.name, (field.print)(filter)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_prints_what_it_parses() {
        for (name, text) in [
            ("account", "kaleyra-in"),
            ("outcome", "pending"),
            ("outcome", "quarantined"),
            ("received_after", "2026-11-20T05:30:00.250Z"),
            ("received_before", "2026-11-20T05:30:00Z"),
            ("q", "131026"),
        ] {
            let field = CALLBACK_FIELDS.iter().find(|field| field.name == name);
            let mut filter = CallbackFilter::default();
            (field.unwrap().parse)(&mut filter, text).unwrap();
            assert_eq!(print_callback_fields(&filter), [(name, text.to_owned())]);
        }
    }

    #[test]
    fn an_invalid_value_is_refused() {
        for (name, text) in [
            ("account", "NOT ONE"),
            ("outcome", "lost"),
            ("received_after", "today"),
            ("q", "ab"),
        ] {
            let field = CALLBACK_FIELDS.iter().find(|field| field.name == name);
            let refused = (field.unwrap().parse)(&mut CallbackFilter::default(), text);
            assert!(refused.is_err(), "{name}={text}");
        }
    }
}
