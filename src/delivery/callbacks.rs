//! Callbacks as a person looks at them: the journal's entry beside what became of it.

use crate::delivery::services::Services;
use crate::domain::callback::{CallbackRecord, JournalSummary};
use crate::domain::ids::{AccountId, CallbackId, MessageId};
use crate::store;
use crate::store::callbacks::Outcome;
use crate::store::journal::JournalFilter;

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
pub async fn list(
    services: &Services,
    query: &CallbackQuery,
) -> Result<CallbackPage, store::Error> {
    let wanted = u64::try_from(query.limit)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let filter = match query.outcome {
        Some(Some(outcome)) => {
            let listed = services
                .store
                .list_by_outcome(outcome, query.account.as_ref(), query.before, wanted)
                .await?;
            JournalFilter {
                account: None,
                ids: Some(listed.into_iter().map(|outcome| outcome.callback).collect()),
            }
        }
        _ => JournalFilter {
            account: query.account.clone(),
            ids: None,
        },
    };
    let mut summaries = services.journal.list(&filter, query.before, wanted).await?;
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
pub async fn find(
    services: &Services,
    id: CallbackId,
) -> Result<Option<FoundCallback>, store::Error> {
    let Some(entry) = services.journal.find(id).await? else {
        return Ok(None);
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

async fn beside_outcomes(
    services: &Services,
    summaries: Vec<JournalSummary>,
) -> Result<Vec<ListedCallback>, store::Error> {
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
