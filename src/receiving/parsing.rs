//! Unpacks and parses callbacks that passed authentication, and lists the messages and ids they
//! name.
//!
//! `reconcile` applies the result.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;

use crate::domain::callback_fields::CallbackFields;
use crate::domain::callback_record::{Authenticity, CallbackRecord, JournalEntry, Route};
use crate::domain::ids::{AccountId, MessageId, ProviderMessageId};
use crate::domain::provider::ProviderId;
use crate::domain::provider_account::Account;
use crate::providers::{self, Callback, CallbackPart, PARTS_LIMIT, ParsedContent, Report};
use crate::receiving::known_accounts::KnownAccounts;
use crate::receiving::operator_decisions::OperatorDecisions;
use crate::receiving::orphan_of_report::derive_orphan_id;
use crate::receiving::unpack::{UnpackError, unpack};
use crate::store::ledger::Ledger;

pub(super) struct ParsedCallback<'a> {
    pub(super) entry: &'a JournalEntry,
    pub(super) content: Cow<'a, CallbackContent>,
}

#[derive(Clone)]
pub(super) enum CallbackContent {
    /// It failed authentication, so it was not parsed.
    Unverified {
        reason: String,
    },
    /// Its account is unknown, or it could not be applied.
    Unsupported {
        reason: &'static str,
    },
    Parts(ProviderId, ParsedContent),
}

impl CallbackContent {
    pub(super) fn part_count(&self) -> usize {
        match self {
            Self::Parts(_, parsed) => parsed.parts.len(),
            Self::Unverified { .. } | Self::Unsupported { .. } => 1,
        }
    }
}

/// Unpacks and parses a callback.
///
/// **Invariant:** a callback that failed authentication is neither unpacked nor parsed until an
/// operator releases it.
pub(super) fn parse_callback_record(
    known: &KnownAccounts,
    configured: Option<&Account>,
    record: &CallbackRecord,
    decisions: Option<&OperatorDecisions>,
) -> CallbackContent {
    let released = decisions.is_some_and(|decisions| decisions.released.contains(&record.id));
    if let Authenticity::Unverified { reason } = &record.authenticity
        && !released
    {
        return CallbackContent::Unverified {
            reason: reason.clone(),
        };
    }
    match known.find(&record.account) {
        Some(known) => CallbackContent::Parts(
            known.provider,
            parse_content(known.provider, configured, record),
        ),
        None => CallbackContent::Unsupported {
            reason: "the account was never configured",
        },
    }
}

fn parse_content(
    provider: ProviderId,
    configured: Option<&Account>,
    record: &CallbackRecord,
) -> ParsedContent {
    let callback = match unpack_callback(record) {
        Ok(callback) => callback,
        Err(error) => return ParsedContent::unparseable(error.to_string()),
    };
    let default_fields = CallbackFields::default();
    let fields = configured.map_or(&default_fields, |account| &account.callback_fields);
    let parsed = catch_parser_panic(|| {
        providers::parse_callback(providers::get(provider), fields, &callback)
    });
    ParsedContent {
        parts: limit_parts(parsed.parts),
        ..parsed
    }
}

fn unpack_callback(record: &CallbackRecord) -> Result<Callback, UnpackError> {
    let body = unpack(&record.body, record.header("content-encoding"))?;
    Ok(Callback {
        method: record.method.clone(),
        query: record.query.clone(),
        content_type: record.header("content-type").map(ToOwned::to_owned),
        body: body.into_owned(),
        received_at: record.received_at,
    })
}

/// The documents of a body; `None` if it cannot be read.
pub(crate) fn read_documents(record: &CallbackRecord) -> Option<Vec<Value>> {
    let callback = unpack_callback(record).ok()?;
    // Parsers are pure functions, so a panic leaves no state behind.
    let read = catch_unwind(AssertUnwindSafe(|| providers::read_documents(&callback)));
    read.ok().flatten()
}

/// A panic of a parser quarantines only its callback.
fn catch_parser_panic(parse: impl FnOnce() -> ParsedContent) -> ParsedContent {
    // Parsers are pure functions, so a panic leaves no state behind.
    catch_unwind(AssertUnwindSafe(parse)).unwrap_or_else(|_| {
        ParsedContent::unparseable("internal: the parser panicked; see the log".to_owned())
    })
}

/// Returns at least one part, so that an empty callback is shown, and at most [`PARTS_LIMIT`], so
/// that one callback does not delay all others.
fn limit_parts(mut parts: Vec<CallbackPart>) -> Vec<CallbackPart> {
    if parts.is_empty() {
        parts.push(CallbackPart::Unparseable(
            "the callback was parsed but has no content".to_owned(),
        ));
    }
    if parts.len() > PARTS_LIMIT {
        parts.truncate(PARTS_LIMIT);
        parts.push(CallbackPart::Unparseable(format!(
            "the callback has more than {PARTS_LIMIT} parts; only the first {PARTS_LIMIT} were applied"
        )));
    }
    parts
}

/// Every message and id that a batch names, so that they can be loaded in a few queries.
pub(super) fn list_named_ids(
    batch: &[ParsedCallback<'_>],
) -> (Vec<MessageId>, Vec<(AccountId, ProviderMessageId)>) {
    let mut messages = Vec::new();
    let mut ids = Vec::new();
    for callback in batch {
        let record = &callback.entry.record;
        if let (Route::Report(id), CallbackContent::Parts(..)) =
            (record.route, callback.content.as_ref())
        {
            messages.push(id);
        }
        for (_, report) in callback.reports() {
            messages.extend(report.tag);
            ids.extend(
                report
                    .ids
                    .iter()
                    .map(|id| (record.account.clone(), id.clone())),
            );
        }
    }
    (messages, ids)
}

/// Ids of the orphans of reports without a known id. An orphan exists already if its callback was
/// processed before.
pub(super) fn list_derived_orphan_ids(
    ledger: &Ledger,
    batch: &[ParsedCallback<'_>],
) -> Vec<MessageId> {
    let mut orphans = Vec::new();
    for callback in batch {
        let record = &callback.entry.record;
        for (part, report) in callback.reports() {
            let known = |id: &ProviderMessageId| ledger.holder(&record.account, id).is_some();
            if report.tag.is_none() && !report.is_notice() && !report.ids.iter().any(known) {
                orphans.push(derive_orphan_id(record.id, part, record.received_at));
            }
        }
    }
    orphans
}

impl ParsedCallback<'_> {
    /// The reports among its parts, with their part numbers.
    pub(super) fn reports(&self) -> impl Iterator<Item = (i32, &Report)> {
        let parts = match self.content.as_ref() {
            CallbackContent::Parts(_, parsed) => parsed.parts.as_slice(),
            CallbackContent::Unverified { .. } | CallbackContent::Unsupported { .. } => &[],
        };
        (0..).zip(parts).filter_map(|(number, part)| match part {
            CallbackPart::Report(report) => Some((number, report)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::CallbackId;
    use crate::receiving::known_accounts::KnownAccount;

    #[test]
    fn a_parser_panic_makes_the_callback_unparseable() {
        let nothing: [CallbackPart; 0] = [];
        let index = std::hint::black_box(3);
        let only = |part| ParsedContent {
            parts: vec![part],
            placeholder_id: None,
            id_links: Vec::new(),
        };
        let parts = catch_parser_panic(|| only(nothing[index].clone())).parts;
        let [CallbackPart::Unparseable(reason)] = parts.as_slice() else {
            unreachable!("one part: {parts:?}");
        };
        assert!(reason.starts_with("internal"), "{reason}");
        let notice = CallbackPart::Notice("quality rating".to_owned());
        assert_eq!(catch_parser_panic(|| only(notice.clone())).parts, [notice]);
    }

    #[test]
    fn an_unverified_callback_is_not_parsed_until_it_is_released() {
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        let account: AccountId = "sobot-main".parse().unwrap();
        let known: KnownAccounts = [(account.clone(), KnownAccount::removed(ProviderId::Sobot, 1))]
            .into_iter()
            .collect();
        let record = CallbackRecord {
            id: CallbackId::new(now),
            account,
            route: Route::Callback,
            method: "POST".to_owned(),
            query: String::new(),
            headers: vec![("content-encoding".to_owned(), "gzip".to_owned())],
            remote: None,
            received_at: now,
            body: b"no gzip at all".to_vec(),
            authenticity: Authenticity::Unverified {
                reason: "the signature is wrong".to_owned(),
            },
        };
        let unverified =
            parse_callback_record(&known, None, &record, Some(&OperatorDecisions::default()));
        assert!(matches!(unverified, CallbackContent::Unverified { .. }));
        let mut decisions = OperatorDecisions::default();
        decisions.released.insert(record.id);
        let parsed = parse_callback_record(&known, None, &record, Some(&decisions));
        assert!(matches!(parsed, CallbackContent::Parts(_, parsed) if parsed.parts.len() == 1));
    }
}
