//! Pages of the list of callbacks, newest first. A text is searched for in a bounded number of
//! bodies.

use chrono::{DateTime, Utc};

use crate::db;
use crate::domain::account_limit::AccountLimit;
use crate::domain::callback_record::CallbackSummary;
use crate::domain::ids::CallbackId;
use crate::journal::JournalFilter;
use crate::reporting::callback_filter::CallbackFilter;
use crate::reporting::callback_views::{ListedCallback, summaries_of, with_outcomes};
use crate::services::Services;
use crate::store::outcome_list::OutcomeFilter;

/// The most callbacks and bytes of bodies that one page searches, so that a page stays fast.
const MAX_SEARCHED_CALLBACKS: usize = 5_000;
const MAX_SEARCHED_BYTES: u64 = 32 * 1024 * 1024;
/// Callbacks per query of a search.
const GROUP_SIZE: usize = 500;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallbackQuery {
    pub filter: CallbackFilter,
    /// The accounts that the caller may access.
    pub limit_to: AccountLimit,
    /// Older than this journal position.
    pub before: Option<i64>,
    pub limit: usize,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallbackList {
    pub callbacks: Vec<ListedCallback>,
    /// The end of this page, where the next one begins.
    pub next: Option<i64>,
    /// Absent without a text.
    pub searched: Option<SearchedSpan>,
}

/// The callbacks whose bodies a page searched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SearchedSpan {
    pub callbacks: usize,
    /// When the oldest was received; absent if there were none.
    pub oldest: Option<DateTime<Utc>>,
}

pub async fn list(services: &Services, query: &CallbackQuery) -> Result<CallbackList, db::Error> {
    let candidates = Candidates::of(services, query).await?;
    match &query.filter.text {
        Some(text) => search(&candidates, query, text).await,
        None => list_page(&candidates, query).await,
    }
}

async fn list_page(
    candidates: &Candidates<'_>,
    query: &CallbackQuery,
) -> Result<CallbackList, db::Error> {
    let wanted = query.limit.saturating_add(1);
    let mut summaries = candidates.before(query.before, wanted).await?;
    let more = summaries.len() > query.limit;
    summaries.truncate(query.limit);
    let next = summaries.last().filter(|_| more).map(|last| last.seq);
    Ok(CallbackList {
        callbacks: with_outcomes(candidates.services, summaries).await?,
        next,
        searched: None,
    })
}

/// Ends when the page is full, all callbacks are searched, or the limit of a search is reached.
async fn search(
    candidates: &Candidates<'_>,
    query: &CallbackQuery,
    text: &str,
) -> Result<CallbackList, db::Error> {
    let journal = &candidates.services.journal;
    let (mut found, mut before, mut bytes) = (Vec::new(), query.before, 0_u64);
    let mut searched = SearchedSpan {
        callbacks: 0,
        oldest: None,
    };
    let next = loop {
        let mut group = candidates.before(before, GROUP_SIZE).await?;
        let is_last = group.len() < GROUP_SIZE;
        let fitting = group.iter().take_while(|summary| {
            let fits = bytes < MAX_SEARCHED_BYTES;
            bytes = bytes.saturating_add(summary.size);
            fits
        });
        let fitting = fitting.count();
        let is_whole = fitting == group.len();
        group.truncate(fitting);
        let ids: Vec<CallbackId> = group.iter().map(|summary| summary.id).collect();
        let containing = journal.find_containing(&ids, text).await?;
        for summary in group {
            if found.len() == query.limit {
                break;
            }
            before = Some(summary.seq);
            searched.callbacks += 1;
            searched.oldest = Some(summary.received_at);
            if containing.contains(&summary.id) {
                found.push(summary);
            }
        }
        if is_last && is_whole && found.len() < query.limit {
            break None;
        }
        if found.len() == query.limit || !is_whole || searched.callbacks >= MAX_SEARCHED_CALLBACKS {
            break before;
        }
    };
    Ok(CallbackList {
        callbacks: with_outcomes(candidates.services, found).await?,
        next,
        searched: Some(searched),
    })
}

/// The callbacks that match all conditions except the text.
struct Candidates<'a> {
    services: &'a Services,
    journal: JournalFilter,
    /// Present if an outcome is given.
    outcomes: Option<OutcomeFilter>,
}

impl<'a> Candidates<'a> {
    async fn of(services: &'a Services, query: &CallbackQuery) -> Result<Self, db::Error> {
        let filter = &query.filter;
        // No index covers the time, but positions in the journal are in order of time.
        let first_seq = match filter.received_after {
            Some(at) => services.journal.first_seq_after(at).await?,
            None => None,
        };
        let last_seq = match filter.received_before {
            Some(at) => services.journal.last_seq_before(at).await?,
            None => None,
        };
        let outcomes = filter.outcome.flatten().map(|outcome| OutcomeFilter {
            ids: None,
            account: filter.account.clone(),
            limit: query.limit_to.clone(),
            outcome: Some(outcome),
            received_after: filter.received_after,
            received_before: filter.received_before,
            first_seq,
            last_seq,
        });
        let pending_after = match filter.outcome {
            Some(None) => Some(services.store.position().await?),
            _ => None,
        };
        let journal = JournalFilter {
            account: filter.account.clone(),
            limit: query.limit_to.clone(),
            ids: None,
            received_after: filter.received_after,
            received_before: filter.received_before,
            first_seq: match (filter.received_after, first_seq) {
                // Nothing was received since.
                (Some(_), None) => Some(i64::MAX),
                _ => first_seq.max(pending_after.map(|seq| seq.saturating_add(1))),
            },
            last_seq: match (filter.received_before, last_seq) {
                // Nothing was received before.
                (Some(_), None) => Some(0),
                _ => last_seq,
            },
        };
        Ok(Self {
            services,
            journal,
            outcomes,
        })
    }

    /// Newest first, below a position in the journal.
    async fn before(
        &self,
        seq: Option<i64>,
        limit: usize,
    ) -> Result<Vec<CallbackSummary>, db::Error> {
        let Some(filter) = &self.outcomes else {
            let limit = u64::try_from(limit).unwrap_or(u64::MAX);
            return self.services.journal.list(&self.journal, seq, limit).await;
        };
        let store = &self.services.store;
        let (mut found, mut before, mut wanted) = (Vec::new(), seq, limit);
        loop {
            let rows = u64::try_from(wanted).unwrap_or(u64::MAX);
            let outcomes = store.list_outcomes_before(filter, before, rows).await?;
            let is_last = outcomes.len() < wanted;
            before = outcomes.last().map(|outcome| outcome.seq);
            found.extend(summaries_of(self.services, outcomes).await?);
            if is_last || found.len() >= limit {
                break;
            }
            // Some callbacks have left the journal, such as those of an erased customer while this
            // list was read: older ones take their places.
            wanted = GROUP_SIZE;
        }
        found.truncate(limit);
        Ok(found)
    }
}
