//! Which message a report is about: signed address, then tag, then provider id, then (where the account allows it) recipient.

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use crate::db;
use crate::domain::callback_record::{CallbackRecord, Route};
use crate::domain::ids::{AccountId, CallbackId, MessageId, ProviderMessageId};
use crate::domain::message::{MATCH_WINDOW, MatchedBy, Origin};
use crate::domain::provider::ProviderId;
use crate::domain::provider_account::{Account, Adoption, MatchBy};
use crate::providers::Report;
use crate::receiving::operator_decisions::OperatorDecisions;
use crate::store::ledger::{Heard, LearnedFrom, Ledger};

/// How long silence after hand-over is normal where the account is not configured any more.
const DEFAULT_DEADLINE: TimeDelta = TimeDelta::hours(24);

/// What correlation needs to know of the account a callback came for.
#[derive(Clone, Copy, Debug)]
pub struct AccountContext<'a> {
    /// Its id.
    pub account: &'a AccountId,
    /// Its provider.
    pub provider: ProviderId,
    /// Its configuration, while it has one.
    pub configured: Option<&'a Account>,
    /// Operators' decisions about what is read again.
    pub decisions: &'a OperatorDecisions,
}

/// What a report turned out to be about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReportTarget {
    /// This message, which may have been made for it.
    Message(MessageId),
    /// A message that was sent elsewhere; the report only teaches ids of it.
    Elsewhere,
    /// A message of ours that is past its retention.
    Purged,
    /// It names no id, no tag and no recipient.
    Nobody,
}

/// The message that a report is about, made when nobody knows it.
///
/// Every id of the report is bound to the message it is about.
pub async fn find_message(
    ledger: &mut Ledger,
    account: AccountContext<'_>,
    record: &CallbackRecord,
    part: i32,
    report: &Report,
) -> Result<ReportTarget, db::Error> {
    let account = account.id;
    let found = match by_address_or_tag(ledger, account, record, report) {
        Some(id) => Some(id),
        None => by_id(ledger, account, &report.ids),
    };
    let heard = derived_id(record.id, part, record.received_at);
    let found = match found {
        Some(id) => id,
        None => match by_decision_or_recipient(ledger, account, heard, record, report).await? {
            Some(id) => id,
            None if report.event.is_none() => return Ok(ReportTarget::SentElsewhere),
            None if names_purged(ledger, record, report).await? => return Ok(ReportTarget::Purged),
            None if report.ids.is_empty() && report.recipient.is_none() => {
                return Ok(ReportTarget::Unidentified);
            }
            None => provisional(ledger, account, heard, record, report).await?,
        },
    };
    for id in &report.ids {
        // Binding the id before may have merged what was found into a message that holds another of the ids.
        let living = ledger.current(found);
        ledger
            .bind(
                living,
                account,
                id,
                LearnedFrom::Callback(record.received_at),
            )
            .await?;
    }
    Ok(ReportTarget::Message(ledger.current(found)))
}

fn by_address_or_tag(
    ledger: &Ledger,
    account: &AccountId,
    record: &CallbackRecord,
    report: &Report,
) -> Option<MessageId> {
    named_messages(record, report).find(|id| ledger.belongs(*id, account))
}

/// The messages that the signed address and the tag name.
fn named_messages(record: &CallbackRecord, report: &Report) -> impl Iterator<Item = MessageId> {
    let addressed = match record.route {
        Route::Report(id) => Some(id),
        Route::Callback | Route::OldCallback => None,
    };
    [addressed, report.tag].into_iter().flatten()
}

/// Whether address or tag name a message that is past its retention: the report comes late, but it is no stranger's.
async fn names_purged(
    ledger: &Ledger,
    record: &CallbackRecord,
    report: &Report,
) -> Result<bool, db::Error> {
    for message in named_messages(record, report) {
        if ledger.origin(message).is_none() && ledger.was_purged(message).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The message that holds one of the ids; a sent one before one known only from callbacks.
fn by_id(ledger: &Ledger, account: &AccountId, ids: &[ProviderMessageId]) -> Option<MessageId> {
    let holders: Vec<MessageId> = ids
        .iter()
        .filter_map(|id| ledger.holder(account, id))
        .collect();
    let sent = holders
        .iter()
        .find(|id| ledger.origin(**id).is_some_and(Origin::is_ours));
    sent.or(holders.first()).copied()
}

/// What a person decided about this report, else what its recipient tells. A match that a person undid is never made again by the recipient.
async fn by_decision_or_recipient(
    ledger: &mut Ledger,
    account: AccountContext<'_>,
    heard: MessageId,
    record: &CallbackRecord,
    report: &Report,
) -> Result<Option<MessageId>, db::Error> {
    if let Some(decided) = decided(ledger, account, heard).await? {
        return Ok(Some(decided));
    }
    if account.decisions.unmatched.contains(&heard) {
        return Ok(None);
    }
    by_recipient(ledger, account, record.received_at, report).await
}

/// The one message without id that was handed over to this recipient shortly before; anything less certain is nobody's.
async fn by_recipient(
    ledger: &mut Ledger,
    account: AccountContext<'_>,
    received_at: DateTime<Utc>,
    report: &Report,
) -> Result<Option<MessageId>, db::Error> {
    let allowed = account
        .configured
        .is_some_and(|account| account.match_by == MatchBy::Recipient);
    let Some(recipient) = report.recipient.as_deref().filter(|_| allowed) else {
        return Ok(None);
    };
    let fitting = ledger
        .list_without_id(
            account.id,
            recipient,
            report.kind,
            // Whoever reads the journal late must not match what was handed over since.
            received_at - MATCH_WINDOW..=received_at,
        )
        .await?;
    let [only] = fitting.as_slice() else {
        return Ok(None);
    };
    if ledger.was_unmatched(*only).await? {
        return Ok(None);
    }
    ledger.set_matched_by(*only, MatchedBy::Recipient)?;
    Ok(Some(*only))
}

async fn provisional(
    ledger: &mut Ledger,
    account: AccountContext<'_>,
    id: MessageId,
    record: &CallbackRecord,
    report: &Report,
) -> Result<MessageId, db::Error> {
    let adoption = account
        .configured
        .map_or(Adoption::Off, |account| account.adoption);
    let adopt_after = match adoption {
        Adoption::After(wait) => TimeDelta::from_std(wait).ok(),
        Adoption::Off => None,
    };
    let deadline = account
        .configured
        .and_then(|account| TimeDelta::from_std(account.deadline).ok());
    let heard = Heard {
        id,
        account: account.id,
        provider: account.provider,
        at: record.received_at,
        adopt_at: adopt_after.map(|wait| record.received_at + wait),
        silence_limit: deadline.unwrap_or(DEFAULT_DEADLINE),
        recipient: report.recipient.as_deref(),
        kind: report.kind,
    };
    ledger.hear_of(heard).await?;
    Ok(id)
}

/// The message that an operator tied this report to when it was read before.
async fn decided(
    ledger: &mut Ledger,
    account: AccountContext<'_>,
    orphan: MessageId,
) -> Result<Option<MessageId>, db::Error> {
    let Some(message) = account.decisions.matched.get(&orphan).copied() else {
        return Ok(None);
    };
    ledger.load(&[message]).await?;
    let living = match ledger.survivor(message).await? {
        Some(survivor) if !ledger.belongs(message, account.id) => survivor,
        _ => ledger.current(message),
    };
    ledger.load(&[living]).await?;
    Ok(Some(living).filter(|living| ledger.belongs(*living, account.id)))
}

/// The same callback and part always make the same id, so that a rebuild makes the same message.
pub(super) fn derived_id(callback: CallbackId, part: i32, received_at: DateTime<Utc>) -> MessageId {
    let digest = Sha256::new()
        .chain_update(callback.uuid().as_bytes())
        .chain_update(part.to_be_bytes())
        .finalize();
    let mut bytes = [0; 10];
    bytes.copy_from_slice(&digest[..10]);
    MessageId::derived(received_at, bytes)
}
