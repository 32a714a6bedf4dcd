//! What the fuzz targets share: the product's readers, and what must hold of whatever they read.
//!
//! The readers are pure, so their sources are compiled here as they are, without the server and the databases around them:
//! a cold build takes a minute instead of ten. It fails as soon as one of them begins to need more.

use chrono::DateTime;

#[path = "../../../src/domain/mod.rs"]
pub mod domain;
#[path = "../../../src/keys.rs"]
pub mod keys;
#[path = "../../../src/providers/mod.rs"]
pub mod providers;
#[path = "../../../src/delivery/unpack.rs"]
pub mod unpack;

use crate::domain::delivery::Fact;
use crate::domain::provider::ProviderId;
use crate::providers::{Callback, CallbackPart, Report};

/// The longest id of a provider that is learned, in characters.
const LONGEST_ID: usize = 512;

/// Reads a callback that is `input` in each way it can be meant, and checks what comes out.
pub fn check_callback(provider: ProviderId, input: &[u8]) {
    for callback in meanings(input) {
        let parts = providers::of(provider).read_callback(&callback);
        assert!(!parts.is_empty(), "a callback always yields a part");
        // A part takes bytes to tell.
        assert!(parts.len() <= input.len() + 1, "parts out of nothing");
        for part in &parts {
            check_part(part);
        }
        let again = providers::of(provider).read_callback(&callback);
        assert_eq!(parts, again, "reading is a function of the bytes");
    }
}

fn check_part(part: &CallbackPart) {
    match part {
        CallbackPart::Report(report) => check_report(report),
        CallbackPart::Unreadable(why) => assert!(!why.is_empty(), "a reason is given"),
        CallbackPart::Notice(words) => assert!(!words.is_empty(), "a notice says something"),
        CallbackPart::Inbound(_) => {}
    }
}

fn check_report(report: &Report) {
    for id in &report.ids {
        let length = id.as_str().chars().count();
        assert!((1..=LONGEST_ID).contains(&length), "an id of {length}");
        let repeated = report.ids.iter().filter(|other| *other == id).count();
        assert_eq!(repeated, 1, "an id is named once");
    }
    if let Some(Fact::Other(word)) = &report.fact {
        assert!(word.chars().count() <= 100, "an endless word");
    }
    if let Some(recipient) = &report.recipient {
        assert!(!recipient.is_empty(), "a recipient is somebody");
    }
}

/// As in the fixtures: `?…` is a query string, `{` and `[` begin JSON, `<` XML, the rest is a form. Each also without a content type.
fn meanings(input: &[u8]) -> Vec<Callback> {
    let post = |content_type: Option<&str>| Callback {
        method: "POST".to_owned(),
        query: String::new(),
        content_type: content_type.map(str::to_owned),
        body: input.to_vec(),
        received_at: DateTime::from_timestamp(1_790_000_000, 0).unwrap_or_default(),
    };
    let meant = match input.first() {
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
    vec![meant, post(None)]
}
