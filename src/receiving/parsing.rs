//! What a callback says: unpacked and read once it is known to be genuine, and which messages and ids it names.
//!
//! What follows from it is `reconcile`'s.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::domain::callback_record::{Authenticity, CallbackRecord, JournalEntry, Route};
use crate::domain::ids::{AccountId, MessageId, ProviderMessageId};
use crate::domain::provider::ProviderId;
use crate::domain::provider_account::Account;
use crate::providers::{self, Callback, CallbackPart, Report};
use crate::receiving::correlate;
use crate::receiving::known_accounts::KnownAccounts;
use crate::receiving::operator_decisions::OperatorDecisions;
use crate::receiving::unpack::unpack;
use crate::store::ledger::Ledger;

/// Parts of one callback that are applied; the largest batches of providers have a few hundred.
const PARTS_LIMIT: usize = 5_000;

/// A callback with everything it says.
pub(super) struct ParsedCallback<'a> {
    pub(super) entry: &'a JournalEntry,
    pub(super) content: Cow<'a, CallbackContent>,
}

/// What was made of a callback's body.
#[derive(Clone)]
pub(super) enum CallbackContent {
    /// It failed authentication, so nobody looked into it.
    Sealed {
        /// Why it failed.
        reason: String,
    },
    /// Nobody knows how to read it, or it could not be applied.
    Unknown {
        /// Why.
        reason: &'static str,
    },
    /// What the provider's reader found in it.
    Parts(ProviderId, Vec<CallbackPart>),
}

/// What a callback says. **Invariant:** what failed authentication is neither unpacked nor parsed before it is released.
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
            parse_parts(known.provider, configured, record),
        ),
        None => CallbackContent::Unsupported {
            reason: "the account was never configured",
        },
    }
}

fn parse_parts(
    provider: ProviderId,
    configured: Option<&Account>,
    record: &CallbackRecord,
) -> Vec<CallbackPart> {
    let body = match unpack(&record.body, record.header("content-encoding")) {
        Ok(body) => body,
        Err(error) => return vec![CallbackPart::Unparseable(error.to_string())],
    };
    let callback = Callback {
        method: record.method.clone(),
        query: record.query.clone(),
        content_type: record.header("content-type").map(ToOwned::to_owned),
        body,
        received_at: record.received_at,
    };
    let provider = providers::get(provider);
    limit_parts(catch_parser_panic(|| match configured {
        Some(account) => providers::parse_callback(provider, &account.callback_fields, &callback),
        None => provider.parse_callback(&callback),
    }))
}

/// A reader's panic is a defect of ours in one callback: it is quarantined, and the others go on.
fn catch_parser_panic(read: impl FnOnce() -> Vec<CallbackPart>) -> Vec<CallbackPart> {
    // A reader is a function of values and leaves nothing half done.
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        vec![CallbackPart::Unparseable(
            "internal: its reader gave up; see the log".to_owned(),
        )]
    })
}

/// At least one part, so that a callback that says nothing is shown, and not so many that one callback stops all others.
fn limit_parts(mut parts: Vec<CallbackPart>) -> Vec<CallbackPart> {
    if parts.is_empty() {
        parts.push(CallbackPart::Unparseable(
            "an empty callback that could be understood".to_owned(),
        ));
    }
    let number = parts.len();
    if number > PARTS_LIMIT {
        parts.truncate(PARTS_LIMIT);
        parts.push(CallbackPart::Unparseable(format!(
            "it has {number} parts; those after the first {PARTS_LIMIT} were not applied"
        )));
    }
    parts
}

/// Every message and id that a batch names, to be looked up in a few queries.
pub(super) fn list_named_ids(batch: &[ParsedCallback<'_>]) -> (Vec<MessageId>, Vec<(AccountId, ProviderMessageId)>) {
    let mut messages = Vec::new();
    let mut ids = Vec::new();
    for read in batch {
        let record = &read.entry.record;
        if let (Route::Report(id), CallbackContent::Parts(..)) = (record.route, read.content.as_ref()) {
            messages.push(id);
        }
        for (_, report) in read.reports() {
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

/// Messages that reports without a known id made when they were read before, or will make now.
pub(super) fn list_new_orphan_ids(ledger: &Ledger, batch: &[ParsedCallback<'_>]) -> Vec<MessageId> {
    let mut unheard = Vec::new();
    for read in batch {
        let record = &read.entry.record;
        for (part, report) in read.reports() {
            let known = |id: &ProviderMessageId| ledger.holder(&record.account, id).is_some();
            if report.tag.is_none() && !report.ids.iter().any(known) {
                unheard.push(correlate::derived_id(record.id, part, record.received_at));
            }
        }
    }
    unheard
}

impl ParsedCallback<'_> {
    /// The reports among its parts, with their places.
    pub(super) fn reports(&self) -> impl Iterator<Item = (i32, &Report)> {
        let parts = match self.content.as_ref() {
            CallbackContent::Parts(_, parts) => parts.as_slice(),
            CallbackContent::Unverified { .. } | CallbackContent::Unsupported { .. } => &[],
        };
        (0..).zip(parts).filter_map(|(place, part)| match part {
            CallbackPart::Report(report) => Some((place, report)),
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
    fn a_reader_that_panics_makes_its_callback_unreadable() {
        let nothing: [CallbackPart; 0] = [];
        let place = std::hint::black_box(3);
        let parts = catch_parser_panic(|| vec![nothing[place].clone()]);
        let [CallbackPart::Unparseable(reason)] = parts.as_slice() else {
            unreachable!("one part: {parts:?}");
        };
        assert!(reason.starts_with("internal"), "{reason}");
        let notice = CallbackPart::Notice("quality rating".to_owned());
        assert_eq!(catch_parser_panic(|| vec![notice.clone()]), [notice]);
    }
    #[test]
    fn what_failed_authentication_is_not_read_before_it_is_released() {
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        let account: AccountId = "sobot-main".parse().unwrap();
        let known: KnownAccounts = [(
            account.clone(),
            KnownAccount::departed(ProviderId::Sobot, 1),
        )]
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
        let sealed = parse_callback_record(&known, None, &record, Some(&OperatorDecisions::default()));
        assert!(matches!(sealed, CallbackContent::Unverified { .. }));
        let mut decisions = OperatorDecisions::default();
        decisions.released.insert(record.id);
        let read = parse_callback_record(&known, None, &record, Some(&decisions));
        assert!(matches!(read, CallbackContent::Parts(ProviderId::Sobot, parts) if parts.len() == 1));
    }
}
