//! Callbacks for display: the journal entry together with its outcome.

use std::collections::HashMap;

use crate::db;
use crate::domain::callback_outcome::Outcome;
use crate::domain::callback_record::{Authenticity, CallbackRecord, CallbackSummary, Route};
use crate::domain::ids::{CallbackId, MessageId};
use crate::domain::receipt::{Receipt, SourceKind};
use crate::journal::JournalFilter;
use crate::services::Services;
use crate::store::callback_outcomes::CallbackOutcome;
use crate::store::callback_reports::CallbackReport;

/// Shown as the method of a callback whose body alone is kept.
const METHOD_NOT_KEPT: &str = "?";
/// The note on such a callback.
const COPY_NOTE: &str =
    "The request itself is no longer kept; this is the copy of its body in quarantine.";

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedCallback {
    pub summary: CallbackSummary,
    /// Absent while the callback is not processed yet.
    pub outcome: Option<Outcome>,
    pub detail: Option<String>,
    /// The messages that it has receipts for, each once.
    pub messages: Vec<MessageId>,
    /// What its first parts reported; empty in the list of a message's callbacks.
    pub reports: Vec<CallbackReport>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FoundCallback {
    pub listed: ListedCallback,
    pub record: CallbackRecord,
}

pub async fn find(services: &Services, id: CallbackId) -> Result<Option<FoundCallback>, db::Error> {
    let Some(entry) = services.journal.find(id).await? else {
        return find_copy(services, id).await;
    };
    let record = entry.record;
    let summary = CallbackSummary {
        seq: entry.seq,
        id: record.id,
        account: record.account.clone(),
        route: record.route,
        method: record.method.clone(),
        received_at: record.received_at,
        size: u64::try_from(record.body.len()).unwrap_or(u64::MAX),
        authenticity: record.authenticity.clone(),
    };
    let listed = with_outcomes(services, vec![summary])
        .await?
        .into_iter()
        .next();
    Ok(listed.map(|listed| FoundCallback { listed, record }))
}

/// The copy in quarantine of a callback that has left the journal.
async fn find_copy(
    services: &Services,
    id: CallbackId,
) -> Result<Option<FoundCallback>, db::Error> {
    let Some((outcome, body)) = services.store.find_quarantined_copy(id).await? else {
        return Ok(None);
    };
    let summary = summary_of_copy(&outcome, u64::try_from(body.len()).unwrap_or(u64::MAX));
    let record = CallbackRecord {
        id,
        account: summary.account.clone(),
        route: summary.route,
        method: summary.method.clone(),
        query: String::new(),
        headers: Vec::new(),
        remote: None,
        received_at: summary.received_at,
        body,
        authenticity: summary.authenticity.clone(),
    };
    let mut listed = with_outcomes(services, vec![summary]).await?;
    let Some(mut listed) = listed.pop() else {
        return Ok(None);
    };
    let detail = listed.detail.take().unwrap_or_default();
    listed.detail = Some(format!("{detail}. {COPY_NOTE}"));
    Ok(Some(FoundCallback { listed, record }))
}

/// The summaries from the journal, in the same order; for callbacks that have left it, from the
/// copy in quarantine.
pub(super) async fn summaries_of(
    services: &Services,
    outcomes: Vec<CallbackOutcome>,
) -> Result<Vec<CallbackSummary>, db::Error> {
    let ids: Vec<CallbackId> = outcomes.iter().map(|outcome| outcome.callback).collect();
    let wanted = u64::try_from(ids.len()).unwrap_or(u64::MAX);
    let filter = JournalFilter {
        ids: Some(ids.clone()),
        ..JournalFilter::default()
    };
    let found = services.journal.list(&filter, None, wanted).await?;
    let mut found: HashMap<CallbackId, CallbackSummary> = found
        .into_iter()
        .map(|summary| (summary.id, summary))
        .collect();
    let missing: Vec<CallbackId> = ids
        .into_iter()
        .filter(|id| !found.contains_key(id))
        .collect();
    let copies = if missing.is_empty() {
        HashMap::new()
    } else {
        services.store.list_copy_sizes(&missing).await?
    };
    let summaries = outcomes.iter().filter_map(|outcome| {
        found.remove(&outcome.callback).or_else(|| {
            let size = copies.get(&outcome.callback)?;
            Some(summary_of_copy(outcome, *size))
        })
    });
    Ok(summaries.collect())
}

fn summary_of_copy(outcome: &CallbackOutcome, size: u64) -> CallbackSummary {
    CallbackSummary {
        seq: outcome.seq,
        id: outcome.callback,
        account: outcome.account.clone(),
        route: Route::Callback,
        method: METHOD_NOT_KEPT.to_owned(),
        received_at: outcome.received_at,
        size,
        authenticity: Authenticity::Verified,
    }
}

/// Whether a callback that is not found is so old that it is no longer kept.
pub fn is_past_retention(services: &Services, id: CallbackId) -> bool {
    let cutoff = services.retention.cutoffs().callbacks;
    id.created_at().is_some_and(|at| at < cutoff)
}

/// The callbacks that the receipts of a message come from, newest first, at most `limit`; without
/// those past retention.
pub async fn list_sources(
    services: &Services,
    message: MessageId,
    receipts: &[Receipt],
    limit: usize,
) -> Result<Vec<ListedCallback>, db::Error> {
    let mut ids: Vec<CallbackId> = receipts
        .iter()
        .filter(|receipt| receipt.source_kind == SourceKind::Callback)
        .map(|receipt| receipt.source.into())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    // A UUIDv7 begins with its time, so the newest are last.
    let ids = ids.split_off(ids.len().saturating_sub(limit));
    let mut outcomes = services.store.find_outcomes(&ids).await?;
    let filter = JournalFilter {
        ids: Some(ids),
        ..JournalFilter::default()
    };
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    let summaries = services.journal.list(&filter, None, limit).await?;
    let listed = summaries.into_iter().map(|summary| {
        let outcome = outcomes.remove(&summary.id);
        ListedCallback {
            outcome: outcome.as_ref().map(|outcome| outcome.outcome),
            detail: outcome.and_then(|outcome| outcome.detail),
            messages: vec![message],
            reports: Vec::new(),
            summary,
        }
    });
    Ok(listed.collect())
}

pub(super) async fn with_outcomes(
    services: &Services,
    summaries: Vec<CallbackSummary>,
) -> Result<Vec<ListedCallback>, db::Error> {
    let ids: Vec<CallbackId> = summaries.iter().map(|summary| summary.id).collect();
    let mut outcomes = services.store.find_outcomes(&ids).await?;
    let mut messages = services.store.list_reported_messages(&ids).await?;
    let mut reports = services.store.list_callback_reports(&ids).await?;
    let listed = summaries.into_iter().map(|summary| {
        let outcome = outcomes.remove(&summary.id);
        ListedCallback {
            outcome: outcome.as_ref().map(|outcome| outcome.outcome),
            detail: outcome.and_then(|outcome| outcome.detail),
            messages: messages.remove(&summary.id).unwrap_or_default(),
            reports: reports.remove(&summary.id).unwrap_or_default(),
            summary,
        }
    });
    Ok(listed.collect())
}
