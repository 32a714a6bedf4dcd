//! Detects lost callbacks and messages: compares the callbacks that the journal had with their
//! outcomes, and messages with their counts by state. Also has the result of the last `verify`.

use chrono::{DateTime, Utc};

use crate::db;
use crate::domain::callback_outcome::Outcome;
use crate::journal::Journal;
use crate::store::Store;
use crate::store::outcome_counts::MessageComparison;
use crate::store::store_settings::Verification;

/// Journal entries per query.
const PAGE_SIZE: u64 = 1000;
/// Unprocessed callbacks are counted up to this number.
const UNPROCESSED_LIMIT: u64 = 10_000;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LossCheck {
    /// Kept callbacks, by outcome.
    pub outcomes: Vec<(Outcome, i64)>,
    /// At most 10,000.
    pub unprocessed: u64,
    /// The journal's number of processed callbacks minus the sum of `outcomes`. Unknown during a
    /// rebuild.
    pub difference: Option<i64>,
    pub messages: Option<MessageComparison>,
    pub verified: Option<Verification>,
}

impl LossCheck {
    pub async fn find(store: &Store, journal: &Journal) -> Result<Self, db::Error> {
        let counts = store.find_outcome_counts().await?;
        let unprocessed = journal
            .list_positions(counts.position, UNPROCESSED_LIMIT)
            .await?;
        let is_rebuilding = store.is_rebuilding().await?;
        Ok(Self {
            difference: (!is_rebuilding).then(|| counts.difference()),
            outcomes: counts.outcomes,
            unprocessed: u64::try_from(unprocessed.len()).unwrap_or_default(),
            messages: counts.messages,
            verified: store.find_verification().await?,
        })
    }

    /// The callbacks that the journal had: processed and unprocessed ones.
    pub fn callbacks(&self) -> i64 {
        let outcomes: i64 = self.outcomes.iter().map(|(_, number)| number).sum();
        let unprocessed = i64::try_from(self.unprocessed).unwrap_or(i64::MAX);
        outcomes + self.difference.unwrap_or_default() + unprocessed
    }

    pub fn counts_agree(&self) -> bool {
        self.difference.unwrap_or_default() == 0
            && self
                .messages
                .is_none_or(|compared| compared.messages == compared.counted)
    }
}

/// Counts the journal entries that were processed since the last run, and compares messages with
/// their counts.
pub async fn run(store: &Store, journal: &Journal, now: DateTime<Utc>) -> Result<(), db::Error> {
    count_journal(store, journal).await?;
    store.compare_messages(now).await
}

/// Counts journal entries that were processed since the last count. Must run before entries are
/// removed.
pub async fn count_journal(store: &Store, journal: &Journal) -> Result<(), db::Error> {
    let counts = store.find_outcome_counts().await?;
    let mut after = counts.until;
    while after < counts.position {
        let listed = journal.list_positions(after, PAGE_SIZE).await?;
        let processed = listed.iter().filter(|entry| entry.seq <= counts.position);
        let number = u64::try_from(processed.count()).unwrap_or_default();
        let until = match listed.last() {
            Some(last) => last.seq.min(counts.position),
            None => counts.position,
        };
        if !store.add_journal_entries(after, until, number).await? {
            // Another process is counting.
            return Ok(());
        }
        after = until;
    }
    Ok(())
}
