//! Finds the message that a report is about: by signed report URL, then by correlation tag, then by
//! provider id, then by an operator's decision, then (if the account allows it) by recipient.

use crate::db;
use crate::domain::callback_record::{CallbackRecord, JournalEntry, Route};
use crate::domain::ids::{AccountId, MessageId, ProviderMessageId};
use crate::domain::message::{MATCH_WINDOW, MatchedBy, Origin};
use crate::domain::provider_account::MatchBy;
use crate::providers::{Report, ReportedKind};
use crate::receiving::account_context::AccountContext;
use crate::receiving::orphan_of_report::{create_orphan, derive_orphan_id};
use crate::store::ledger::{KindFilter, LearnedFrom, Ledger};

/// The result of correlating a report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReportTarget {
    /// An existing message, or the orphan that was created for the report.
    Message(MessageId),
    /// A message that was not sent by this program; the report has no event, so no orphan is
    /// created.
    SentElsewhere,
    /// A message that retention has deleted.
    Purged,
    /// The report has no id, no tag and no recipient.
    Unidentified,
    /// The report has no other ids than those that several messages share.
    ConstantId,
}

/// Finds the message that a notice is about, by the ids that were known when it arrived. Creates no
/// orphan and learns no id.
pub async fn find_message_of_notice(
    ledger: &mut Ledger,
    account: &AccountId,
    record: &CallbackRecord,
    report: &Report,
) -> Result<Option<MessageId>, db::Error> {
    if let Some(named) = find_by_report_url_or_tag(ledger, account, record, report) {
        return Ok(Some(named));
    }
    ledger
        .find_holder_at(account, &report.ids, record.received_at)
        .await
}

/// Finds the message that a report is about, or creates an orphan for it.
///
/// Binds every id of the report to that message.
pub async fn find_message(
    ledger: &mut Ledger,
    account: AccountContext<'_>,
    entry: &JournalEntry,
    part: i32,
    report: &Report,
) -> Result<ReportTarget, db::Error> {
    let record = &entry.record;
    let named = find_by_report_url_or_tag(ledger, account.id, record, report);
    let identified = named.or_else(|| find_by_provider_id(ledger, account.id, &report.ids));
    let orphan = derive_orphan_id(record.id, part, record.received_at);
    let message = match identified {
        Some(id) => id,
        None => {
            match find_by_decision_or_recipient(ledger, account, orphan, entry, report).await? {
                Some(id) => id,
                None if report.event.is_none() => return Ok(ReportTarget::SentElsewhere),
                None if names_purged_message(ledger, record, report).await? => {
                    return Ok(ReportTarget::Purged);
                }
                None if report.ids.is_empty() && report.recipient.is_none() => {
                    return Ok(ReportTarget::Unidentified);
                }
                None if has_only_constant_ids(ledger, account.id, &report.ids) => {
                    return Ok(ReportTarget::ConstantId);
                }
                None => create_orphan(ledger, account, orphan, record, report).await?,
            }
        }
    };
    let learned_from = if named.is_some() {
        LearnedFrom::NamingCallback(record.received_at)
    } else {
        LearnedFrom::Callback(record.received_at)
    };
    for id in &report.ids {
        // Binding the previous id may have merged the message into another.
        let current = ledger.current(message);
        ledger.bind(current, account.id, id, learned_from).await?;
    }
    Ok(ReportTarget::Message(ledger.current(message)))
}

fn find_by_report_url_or_tag(
    ledger: &Ledger,
    account: &AccountId,
    record: &CallbackRecord,
    report: &Report,
) -> Option<MessageId> {
    named_messages(record, report).find(|id| ledger.belongs(*id, account))
}

/// The messages named by the signed report URL and by the tag.
fn named_messages(record: &CallbackRecord, report: &Report) -> impl Iterator<Item = MessageId> {
    let by_report_url = match record.route {
        Route::Report(id) => Some(id),
        Route::Callback | Route::OldCallback | Route::MistypedCallback(_) => None,
    };
    [by_report_url, report.tag].into_iter().flatten()
}

/// Whether the report URL or the tag names a message that retention has deleted.
async fn names_purged_message(
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

fn has_only_constant_ids(ledger: &Ledger, account: &AccountId, ids: &[ProviderMessageId]) -> bool {
    !ids.is_empty() && ids.iter().all(|id| ledger.is_constant(account, id))
}

/// The message that holds one of the ids. Prefers a sent message to one known only from callbacks.
fn find_by_provider_id(
    ledger: &Ledger,
    account: &AccountId,
    ids: &[ProviderMessageId],
) -> Option<MessageId> {
    let holders: Vec<MessageId> = ids
        .iter()
        .filter_map(|id| ledger.holder(account, id))
        .collect();
    let sent = holders
        .iter()
        .find(|id| ledger.origin(**id).is_some_and(Origin::is_ours));
    sent.or(holders.first()).copied()
}

/// Finds the message by an operator's decision about this report, else by recipient. A match that
/// an operator undid is not repeated by recipient.
async fn find_by_decision_or_recipient(
    ledger: &mut Ledger,
    account: AccountContext<'_>,
    orphan: MessageId,
    entry: &JournalEntry,
    report: &Report,
) -> Result<Option<MessageId>, db::Error> {
    if let Some(decided) = find_by_decision(ledger, account, orphan).await? {
        return Ok(Some(decided));
    }
    if account.decisions.unmatched.contains(&orphan) {
        return Ok(None);
    }
    find_by_recipient(ledger, account, entry, report).await
}

/// The only message without id that was submitted to this recipient shortly before. Returns `None`
/// if several fit, or if the report is about a kind of message that is not sent from here.
async fn find_by_recipient(
    ledger: &mut Ledger,
    account: AccountContext<'_>,
    entry: &JournalEntry,
    report: &Report,
) -> Result<Option<MessageId>, db::Error> {
    let allowed = account
        .configured
        .is_some_and(|account| account.match_by == MatchBy::Recipient);
    let Some(recipient) = report.recipient.as_deref().filter(|_| allowed) else {
        return Ok(None);
    };
    let kind = match report.kind {
        None => KindFilter::Any,
        Some(ReportedKind::Media(kind)) => KindFilter::Media(kind),
        Some(ReportedKind::Template) => KindFilter::Template,
        Some(ReportedKind::Other) => return Ok(None),
    };
    let received_at = entry.record.received_at;
    let candidates = ledger
        .list_without_id(
            account.id,
            recipient,
            kind,
            // The callback may be processed late; messages submitted since then must not match.
            received_at - MATCH_WINDOW..=received_at,
            entry.seq,
        )
        .await?;
    let [only] = candidates.as_slice() else {
        return Ok(None);
    };
    if ledger.was_unmatched(*only).await? {
        return Ok(None);
    }
    ledger.set_matched_by(*only, MatchedBy::Recipient)?;
    Ok(Some(*only))
}

/// The message that an operator matched this report with when it was processed before.
async fn find_by_decision(
    ledger: &mut Ledger,
    account: AccountContext<'_>,
    orphan: MessageId,
) -> Result<Option<MessageId>, db::Error> {
    let Some(message) = account.decisions.matched.get(&orphan).copied() else {
        return Ok(None);
    };
    ledger.load(&[message]).await?;
    let current = match ledger.survivor(message).await? {
        Some(survivor) if !ledger.belongs(message, account.id) => survivor,
        _ => ledger.current(message),
    };
    ledger.load(&[current]).await?;
    Ok(Some(current).filter(|current| ledger.belongs(*current, account.id)))
}
