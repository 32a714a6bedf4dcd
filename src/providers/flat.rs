//! Reports whose id, word and time stand flat in one object, or in the objects around it, under names that differ.
//!
//! The names are each provider's; the way of looking for them is here.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::domain::delivery::{Pricing, Stage};
use crate::domain::ids::{MessageId, ProviderMessageId};
use crate::domain::tag;
use crate::providers::Report;
use crate::providers::cloud_api::{read_failure, read_pricing};
use crate::providers::payload::{add_id, first, recipient, text};
use crate::providers::vocabulary::{self, Exceptions, Meaning, parse_time};

/// Under which names a provider tells what.
#[derive(Debug)]
pub(super) struct Names {
    /// Ids of the one message, never of a batch, campaign or conversation.
    pub(super) ids: &'static [&'static str],
    /// The status word, the surest name first. A boolean is none.
    pub(super) words: &'static [&'static str],
    /// Names whose text is a status only where it is a known word: `type` may also say `image`.
    pub(super) doubtful_words: &'static [&'static str],
    /// The time of the event.
    pub(super) times: &'static [&'static str],
    /// The customer.
    pub(super) recipients: &'static [&'static str],
    /// Texts that may carry the correlation tag, the last slot first.
    pub(super) tags: &'static [&'static str],
    /// Words that mean something else here.
    pub(super) exceptions: Exceptions,
}

/// Reads one report from an object and those around it, innermost first. `None` where no status word is found.
pub(super) fn read(chain: &[&Value], names: &Names) -> Option<Report> {
    let word = find_word(chain, names)?;
    let meaning = vocabulary::meaning(&word, names.exceptions);
    Some(Report {
        ids: find_ids(chain, names),
        tag: find_tag(chain, names),
        recipient: find(chain, names.recipients).and_then(|text| recipient(&text)),
        kind: None,
        fact: Some(vocabulary::fact(&word, names.exceptions, || {
            read_failure(chain)
        })),
        occurred_at: find_time(chain, names, meaning),
        pricing: chain
            .iter()
            .map(|object| read_pricing(object))
            .find(|pricing| !pricing.is_empty())
            .unwrap_or_else(Pricing::default),
    })
}

/// The message that the last tag in any slot names.
pub(super) fn find_tag(chain: &[&Value], names: &Names) -> Option<MessageId> {
    chain.iter().find_map(|object| {
        names
            .tags
            .iter()
            .find_map(|name| tag::find(&first(object, &[name])?))
    })
}

/// Ids of the innermost object that names any, so that an event's own id around it is not taken for the message's.
pub(super) fn find_ids(chain: &[&Value], names: &Names) -> Vec<ProviderMessageId> {
    chain
        .iter()
        .map(|object| {
            let mut ids = Vec::new();
            for name in names.ids {
                add_id(&mut ids, object.get(name).and_then(text));
            }
            ids
        })
        .find(|ids| !ids.is_empty())
        .unwrap_or_default()
}

fn find(chain: &[&Value], names: &[&str]) -> Option<String> {
    chain.iter().find_map(|object| first(object, names))
}

fn find_word(chain: &[&Value], names: &Names) -> Option<String> {
    let candidates = |names: &'static [&'static str]| {
        chain.iter().flat_map(move |object| {
            names
                .iter()
                .filter_map(|name| first(object, &[name]))
                .filter(|word| !matches!(word.as_str(), "true" | "false"))
        })
    };
    let is_known = |word: &String| vocabulary::meaning(word, names.exceptions).is_some();
    candidates(names.words)
        .map(last_segment)
        .find(is_known)
        .or_else(|| {
            candidates(names.doubtful_words)
                .map(last_segment)
                .find(is_known)
        })
        .or_else(|| candidates(names.words).next())
}

/// `message.delivered` says `delivered`.
fn last_segment(word: String) -> String {
    match word.rsplit_once('.') {
        Some((_, segment)) => segment.to_owned(),
        None => word,
    }
}

fn find_time(chain: &[&Value], names: &Names, meaning: Option<Meaning>) -> Option<DateTime<Utc>> {
    let of_its_own: &[&str] = match meaning {
        Some(Meaning::Reached(Stage::Sent)) => &["sentAt", "sent_at"],
        Some(Meaning::Reached(Stage::Delivered)) => &["deliveredAt", "delivered_at"],
        Some(Meaning::Reached(Stage::Read)) => &["readAt", "read_at", "seenAt", "seen_at"],
        Some(Meaning::Failed) => &["failedAt", "failed_at"],
        _ => &[],
    };
    find(chain, of_its_own)
        .or_else(|| find(chain, names.times))
        .and_then(|text| parse_time(&text))
}
