//! Shared by the fuzz targets: the parsers, and invariants of their results.
//!
//! The parsers are pure, so their sources are compiled here without the server and the databases: a
//! cold build takes a minute instead of ten. It fails as soon as one of them needs more.

use chrono::DateTime;

#[path = "../../../src/domain/mod.rs"]
pub mod domain;
#[path = "../../../src/keys/mod.rs"]
pub mod keys;
#[path = "../../../src/providers/mod.rs"]
pub mod providers;
#[path = "../../../src/receiving/unpack/mod.rs"]
pub mod unpack;

use crate::domain::callback_fields::CallbackFields;
use crate::domain::provider::ProviderId;
use crate::domain::receipt::ReceiptEvent;
use crate::providers::{Callback, CallbackPart, Report};

/// The longest provider id, in characters.
const LONGEST_ID: usize = 512;

/// Parses `input` as every possible callback and checks the parts.
pub fn check_callback(provider: ProviderId, input: &[u8]) {
    for callback in callbacks(input) {
        let parts = providers::parse_callback(
            providers::get(provider),
            &CallbackFields::default(),
            &callback,
        )
        .parts;
        assert!(!parts.is_empty(), "a callback always yields a part");
        // Every part needs at least one byte.
        assert!(parts.len() <= input.len() + 1, "more parts than bytes");
        for part in &parts {
            check_part(part);
        }
        let second = providers::parse_callback(
            providers::get(provider),
            &CallbackFields::default(),
            &callback,
        )
        .parts;
        assert_eq!(parts, second, "parsing is a function of the bytes");
    }
}

fn check_part(part: &CallbackPart) {
    match part {
        CallbackPart::Report(report) => check_report(report),
        CallbackPart::Unparseable(why) => assert!(!why.is_empty(), "a reason is given"),
        CallbackPart::AccountEvent(event) => assert!(!event.notice.is_empty() && !event.title.is_empty(), "an event has texts"),
        CallbackPart::Notice(words) => assert!(!words.is_empty(), "a notice has a text"),
        CallbackPart::Inbound(_) | CallbackPart::Probe => {}
    }
}

fn check_report(report: &Report) {
    for id in &report.ids {
        let length = id.as_str().chars().count();
        assert!((1..=LONGEST_ID).contains(&length), "an id of {length}");
        let repeated = report.ids.iter().filter(|other| *other == id).count();
        assert_eq!(repeated, 1, "an id is named once");
    }
    if let Some(ReceiptEvent::Other(word)) = &report.event {
        assert!(
            word.chars().count() <= 100,
            "a word of more than 100 characters"
        );
    }
    if let Some(recipient) = &report.recipient {
        assert!(!recipient.is_empty(), "a recipient is not empty");
    }
}

/// The reports of a callback.
pub fn reports(provider: ProviderId, callback: &Callback) -> Vec<Report> {
    let parsed = providers::parse_callback(providers::get(provider), &CallbackFields::default(), callback);
    let parts = parsed.parts.into_iter();
    parts.filter_map(|part| match part {
        CallbackPart::Report(report) => Some(report),
        _ => None,
    })
    .collect()
}

pub fn post(body: &[u8], content_type: Option<&str>) -> Callback {
    Callback {
        method: "POST".to_owned(),
        query: String::new(),
        content_type: content_type.map(str::to_owned),
        body: body.to_vec(),
        received_at: DateTime::from_timestamp(1_790_000_000, 0).unwrap_or_default(),
    }
}

/// As in the fixtures: `?…` is a query string, `{` and `[` begin JSON, `<` XML, the rest is a form.
/// Each also without a content type.
fn callbacks(input: &[u8]) -> Vec<Callback> {
    let post = |content_type: Option<&str>| post(input, content_type);
    let labelled = match input.first() {
        Some(b'?') => Callback {
            method: "GET".to_owned(),
            query: String::from_utf8_lossy(&input[1..]).into_owned(),
            body: Vec::new(),
            ..post(None)
        },
        Some(b'{' | b'[') => post(Some("application/json")),
        Some(b'<') => post(Some("application/xml")),
        _ => post(Some("application/x-www-form-urlencoded")),
    };
    vec![labelled, post(None)]
}
