//! Callbacks as a person looks at them: the journal's entry beside what became of it.

use std::collections::HashMap;

use crate::db;
use crate::domain::callback::{Authenticity, CallbackRecord, JournalSummary, Route};
use crate::domain::ids::{AccountId, CallbackId, MessageId};
use crate::journal::JournalFilter;
use crate::services::Services;
use crate::store::callbacks::{CallbackOutcome, Outcome};

/// Stands for the method of a callback of which only the body is kept.
const METHOD_NOT_KEPT: &str = "?";
/// What a page says of such a callback.
const COPY_WORDS: &str =
    "The request itself is no longer kept; this is quarantine's copy of its body.";

/// Which callbacks to list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallbackQuery {
    /// Account.
    pub account: Option<AccountId>,
    /// An outcome; `Some(None)` for those not read yet.
    pub outcome: Option<Option<Outcome>>,
    /// Older than this place in the journal.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: usize,
}

/// One callback and what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedCallback {
    /// Everything but body and headers.
    pub summary: JournalSummary,
    /// What it was; absent while it is not read yet.
    pub outcome: Option<Outcome>,
    /// In words.
    pub detail: Option<String>,
    /// The messages it told about.
    pub messages: Vec<MessageId>,
}

/// One page, newest first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallbackPage {
    /// The callbacks.
    pub callbacks: Vec<ListedCallback>,
    /// Where the next page starts.
    pub next: Option<i64>,
}

/// One callback, whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FoundCallback {
    /// As lists show it.
    pub listed: ListedCallback,
    /// The request itself.
    pub record: CallbackRecord,
}

/// A page of callbacks.
pub async fn list(services: &Services, query: &CallbackQuery) -> Result<CallbackPage, db::Error> {
    let wanted = u64::try_from(query.limit)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let mut summaries = if let Some(Some(outcome)) = query.outcome {
        let listed = services
            .store
            .list_by_outcome(outcome, query.account.as_ref(), query.before, wanted)
            .await?;
        summaries_of(services, listed).await?
    } else {
        let filter = JournalFilter {
            account: query.account.clone(),
            ids: None,
        };
        services.journal.list(&filter, query.before, wanted).await?
    };
    if query.outcome == Some(None) {
        let position = services.store.position().await?;
        summaries.retain(|summary| summary.seq > position);
    }
    let more = summaries.len() > query.limit;
    summaries.truncate(query.limit);
    let next = summaries.last().filter(|_| more).map(|last| last.seq);
    Ok(CallbackPage {
        callbacks: beside_outcomes(services, summaries).await?,
        next,
    })
}

/// The callback of an id.
pub async fn find(services: &Services, id: CallbackId) -> Result<Option<FoundCallback>, db::Error> {
    let Some(entry) = services.journal.find(id).await? else {
        return find_copy(services, id).await;
    };
    let record = entry.record;
    let summary = JournalSummary {
        seq: entry.seq,
        id: record.id,
        account: record.account.clone(),
        route: record.route,
        method: record.method.clone(),
        received_at: record.received_at,
        size: u64::try_from(record.body.len()).unwrap_or(u64::MAX),
        authenticity: record.authenticity.clone(),
    };
    let listed = beside_outcomes(services, vec![summary])
        .await?
        .into_iter()
        .next();
    Ok(listed.map(|listed| FoundCallback { listed, record }))
}

/// What quarantine keeps of a callback that has left the journal.
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
    let mut listed = beside_outcomes(services, vec![summary]).await?;
    let Some(mut listed) = listed.pop() else {
        return Ok(None);
    };
    let told = listed.detail.take().unwrap_or_default();
    listed.detail = Some(format!("{told}. {COPY_WORDS}"));
    Ok(Some(FoundCallback { listed, record }))
}

/// The journal's summaries of these, in their order; of those that have left it, what quarantine's copy tells.
async fn summaries_of(
    services: &Services,
    outcomes: Vec<CallbackOutcome>,
) -> Result<Vec<JournalSummary>, db::Error> {
    let ids: Vec<CallbackId> = outcomes.iter().map(|outcome| outcome.callback).collect();
    let wanted = u64::try_from(ids.len()).unwrap_or(u64::MAX);
    let filter = JournalFilter {
        account: None,
        ids: Some(ids.clone()),
    };
    let there = services.journal.list(&filter, None, wanted).await?;
    let mut there: HashMap<CallbackId, JournalSummary> = there
        .into_iter()
        .map(|summary| (summary.id, summary))
        .collect();
    let gone: Vec<CallbackId> = ids
        .into_iter()
        .filter(|id| !there.contains_key(id))
        .collect();
    let copies = if gone.is_empty() {
        HashMap::new()
    } else {
        services.store.list_copy_sizes(&gone).await?
    };
    let summaries = outcomes.iter().filter_map(|outcome| {
        there.remove(&outcome.callback).or_else(|| {
            let size = copies.get(&outcome.callback)?;
            Some(summary_of_copy(outcome, *size))
        })
    });
    Ok(summaries.collect())
}

fn summary_of_copy(outcome: &CallbackOutcome, size: u64) -> JournalSummary {
    JournalSummary {
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

/// Whether a callback that is not found came so long ago that it is no longer kept.
pub fn is_past_retention(services: &Services, id: CallbackId) -> bool {
    let cutoff = services.retention.cutoffs().callbacks;
    id.created_at().is_some_and(|at| at < cutoff)
}

async fn beside_outcomes(
    services: &Services,
    summaries: Vec<JournalSummary>,
) -> Result<Vec<ListedCallback>, db::Error> {
    let ids: Vec<CallbackId> = summaries.iter().map(|summary| summary.id).collect();
    let mut outcomes = services.store.find_outcomes(&ids).await?;
    let mut told = services.store.find_told(&ids).await?;
    let beside = summaries.into_iter().map(|summary| {
        let outcome = outcomes.remove(&summary.id);
        ListedCallback {
            outcome: outcome.as_ref().map(|outcome| outcome.outcome),
            detail: outcome.and_then(|outcome| outcome.detail),
            messages: told.remove(&summary.id).unwrap_or_default(),
            summary,
        }
    });
    Ok(beside.collect())
}
