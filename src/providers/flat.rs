//! Parses reports whose id, status and time are fields of one object or of the objects around it.
//! The field names are each provider's.

use serde_json::Value;

use crate::domain::correlation_tag;
use crate::domain::delivery_state::Stage;
use crate::domain::ids::{MessageId, ProviderMessageId};
use crate::domain::placeholder::is_not_status_word;
use crate::domain::receipt::ReceiptEvent;
use crate::domain::reported_time::ReportedTime;
use crate::providers::cloud_api::find_pricing;
use crate::providers::json_member::JsonMember;
use crate::providers::meta_failure::parse_failure;
use crate::providers::notice;
use crate::providers::payload::{add_id, first_text, parse_recipient, parse_text};
use crate::providers::protocol::{CallbackPart, Report};
use crate::providers::vocabulary::{self, Meaning, StatusWords, parse_time};

/// The field names of a provider.
#[derive(Debug)]
pub(super) struct FieldNames {
    /// Ids of the message, never of a batch, campaign or conversation.
    pub(super) ids: &'static [&'static str],
    /// The status word, the most reliable name first. Booleans are ignored.
    pub(super) words: &'static [&'static str],
    /// Names whose text is a status only if it is a known word: `type` may also be `image`.
    pub(super) doubtful_words: &'static [&'static str],
    pub(super) times: &'static [&'static str],
    pub(super) recipients: &'static [&'static str],
    /// Texts that may contain the correlation tag, the last reference first.
    pub(super) tags: &'static [&'static str],
    /// Status words that mean something else at this provider.
    pub(super) status_words: StatusWords,
}

/// Parses one report from an object and those around it, innermost first. `None` without a status
/// word.
pub(super) fn parse(chain: &[&Value], names: &FieldNames) -> Option<Report> {
    parse_element(chain, chain, names)
}

/// Parses a report from an element of a list. Only the objects in `own` may identify its message.
pub(super) fn parse_element(
    chain: &[&Value],
    own: &[&Value],
    names: &FieldNames,
) -> Option<Report> {
    let word = find_word(chain, names)?;
    let meaning = vocabulary::meaning(&word, names.status_words);
    let report = Report {
        ids: find_ids(own, names),
        tag: find_tag(own, names),
        recipient: find_recipient(own, names),
        kind: None,
        event: Some(vocabulary::parse_status_word(
            &word,
            names.status_words,
            || parse_failure(chain),
        )),
        occurred_at: find_time(chain, names, meaning),
        pricing: find_pricing(chain.iter().copied()),
        notice_if_unknown: None,
    };
    Some(notice::as_notice_if_non_delivery(report, chain, &word))
}

/// Whether an object has an id, a tag or a recipient of its own.
pub(super) fn is_identified(object: &Value, names: &FieldNames) -> bool {
    let own = &[object];
    !find_ids(own, names).is_empty()
        || find_tag(own, names).is_some()
        || find_recipient(own, names).is_some()
}

/// Adds the status that an object has beside its list of statuses, unless it is one of these.
pub(super) fn add_own_report(
    mut parts: Vec<CallbackPart>,
    object: &Value,
    names: &FieldNames,
) -> Vec<CallbackPart> {
    let Some(report) = parse(&[object], names) else {
        return parts;
    };
    let is_understood = matches!(
        report.event,
        Some(ReceiptEvent::Stage(_) | ReceiptEvent::Failure(_))
    );
    let is_known = parts.iter().any(|part| match part {
        CallbackPart::Report(known) => known.ids.iter().any(|id| report.ids.contains(id)),
        _ => false,
    });
    let is_named = !report.ids.is_empty() || report.tag.is_some();
    if is_understood && is_named && !is_known {
        parts.push(CallbackPart::Report(report));
    }
    parts
}

/// The message that the last tag in any reference names.
pub(super) fn find_tag(chain: &[&Value], names: &FieldNames) -> Option<MessageId> {
    chain.iter().find_map(|object| {
        names
            .tags
            .iter()
            .find_map(|name| correlation_tag::find(&first_text(object, &[name])?))
    })
}

/// Ids of the innermost object that has any, so that the id of an enclosing event is ignored; that of an
/// event of `CloudEvents` never counts.
pub(super) fn find_ids(chain: &[&Value], names: &FieldNames) -> Vec<ProviderMessageId> {
    chain
        .iter()
        .filter(|object| object.member("specversion").is_none())
        .map(|object| {
            let mut ids = Vec::new();
            for name in names.ids {
                add_id(&mut ids, object.member(name).and_then(parse_text));
            }
            ids
        })
        .find(|ids| !ids.is_empty())
        .unwrap_or_default()
}

fn find_recipient(chain: &[&Value], names: &FieldNames) -> Option<String> {
    find(chain, names.recipients).and_then(|text| parse_recipient(&text))
}

fn find(chain: &[&Value], names: &[&str]) -> Option<String> {
    chain.iter().find_map(|object| first_text(object, names))
}

fn find_word(chain: &[&Value], names: &FieldNames) -> Option<String> {
    let candidates = |names: &'static [&'static str]| {
        chain.iter().flat_map(move |object| {
            names
                .iter()
                .filter_map(|name| first_text(object, &[name]))
                .filter(|word| {
                    !matches!(word.as_str(), "true" | "false") && !is_not_status_word(word)
                })
        })
    };
    let is_known = |word: &String| vocabulary::meaning(word, names.status_words).is_some();
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

/// `message.delivered` → `delivered`
fn last_segment(word: String) -> String {
    match word.rsplit_once('.') {
        Some((_, segment)) => segment.to_owned(),
        None => word,
    }
}

fn find_time(
    chain: &[&Value],
    names: &FieldNames,
    meaning: Option<Meaning>,
) -> Option<ReportedTime> {
    let stage_times: &[&str] = match meaning {
        Some(Meaning::Reached(Stage::Sent)) => &["sentAt", "sent_at"],
        Some(Meaning::Reached(Stage::Delivered)) => &["deliveredAt", "delivered_at"],
        Some(Meaning::Reached(Stage::Read)) => &["readAt", "read_at", "seenAt", "seen_at"],
        Some(Meaning::Failed) => &["failedAt", "failed_at"],
        _ => &[],
    };
    find(chain, stage_times)
        .or_else(|| find(chain, names.times))
        .and_then(|text| parse_time(&text))
}
