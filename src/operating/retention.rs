//! Removing what is past its retention: raw callbacks, then messages with all that is theirs, then what belongs to neither.
//!
//! In portions of a few milliseconds with longer pauses between, so that whoever receives and sends goes on; one process a database at a time.
//! Interrupted anywhere, the next step goes on: nothing is remembered but what is gone. How a portion leaves a table is `store`'s matter.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use thiserror::Error;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config;
use crate::db;
use crate::domain::clock::Clock;
use crate::journal::{Journal, JournalStart, PurgeLimit};
use crate::store::Store;
use crate::store::retention::{CountedConflicts, Deed, Leftover, PastMessages, RowCounts};

/// The lease on removing: one process a database.
const LEASE: &str = "retention";
const LEASE_LENGTH: TimeDelta = TimeDelta::seconds(60);
/// How long one step works, well within the lease.
const STEP: Duration = Duration::from_secs(5);
/// How many times as long as a portion took the pause after it is: whoever waits for the same lock finds it free three times of four.
const PAUSES: u32 = 3;
/// How long pauses are, at the least and at the most.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(300);
/// A window is over after 24 hours; its row stays as long again, to tell when it closed.
const WINDOWS: TimeDelta = TimeDelta::hours(48);
/// How long what has expired, links and leases, may still be looked at.
const EXPIRED: TimeDelta = TimeDelta::hours(24);
/// How often a refusal that may pass is waited out by a command, and how long each time.
const REFUSALS: u32 = 50;
const REFUSAL_PAUSE: Duration = Duration::from_millis(200);

/// Removes what is past its retention.
#[derive(Clone)]
pub struct Retention {
    store: Store,
    journal: Journal,
    clock: Arc<dyn Clock>,
    holder: Uuid,
    kept: config::RetentionDays,
    stopping: CancellationToken,
}

/// What one step did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Nothing is left to remove.
    Done,
    /// There is more.
    More,
    /// Another process removes.
    NotOurs,
    /// A rebuild reads the journal again; until its end nothing leaves.
    Rebuilding,
}

/// Before which instants things are past their retention.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cutoffs {
    /// Raw callbacks received before.
    pub callbacks: DateTime<Utc>,
    /// Messages created before; copies in quarantine and actions without a message as well.
    pub messages: DateTime<Utc>,
    /// Windows of customers who last wrote before.
    pub windows: DateTime<Utc>,
    /// Links and leases that expired before.
    pub expired: DateTime<Utc>,
}

/// What was removed, or would be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Purged {
    /// The limits.
    pub cutoffs: Cutoffs,
    /// Rows by table.
    pub rows: RowCounts,
}

/// Why nothing was removed, or not everything.
#[derive(Debug, Error)]
pub enum PurgeError {
    /// Another process is at it.
    #[error(
        "a purge is running already: that of `serve`, which comes every ten minutes, or another `bluetick purge`. It removes the same; where it was killed, try again in a minute"
    )]
    Busy,
    /// A rebuild is under way.
    #[error(
        "a rebuild has not read the whole journal again yet; let `serve` or `rebuild` finish it first"
    )]
    Rebuilding,
    /// A database refused.
    #[error(transparent)]
    Store(#[from] db::Error),
}

/// The work of one step.
struct Shift<'a> {
    cutoffs: Cutoffs,
    now: DateTime<Utc>,
    until: Instant,
    portion_began: Instant,
    stopping: &'a CancellationToken,
    rows: &'a mut RowCounts,
    progress: &'a mut (dyn FnMut(&RowCounts) + Send),
}

impl Shift<'_> {
    fn note(&mut self, table: &'static str, rows: u64) {
        *self.rows.entry(table).or_default() += rows;
        (self.progress)(self.rows);
    }

    /// Rests after a portion; whether there is time for another.
    async fn rest(&mut self) -> Step {
        let pause = self.portion_began.elapsed() * PAUSES;
        tokio::select! {
            () = self.stopping.cancelled() => return Step::More,
            () = sleep(pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE)) => {}
        }
        self.portion_began = Instant::now();
        if self.portion_began < self.until {
            Step::Done
        } else {
            Step::More
        }
    }
}

impl Retention {
    /// A remover whose lease carries `holder`; `stopping` ends a step early.
    pub fn new(
        store: Store,
        journal: Journal,
        clock: Arc<dyn Clock>,
        holder: Uuid,
        kept: config::RetentionDays,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            store,
            journal,
            clock,
            holder,
            kept,
            stopping,
        }
    }

    /// The limits as of now.
    pub fn cutoffs(&self) -> Cutoffs {
        let now = self.clock.now();
        let days = |days: u32| now - TimeDelta::days(i64::from(days));
        Cutoffs {
            callbacks: days(self.kept.callbacks),
            messages: days(self.kept.messages),
            windows: now - WINDOWS,
            expired: now - EXPIRED,
        }
    }

    /// Takes or renews the lease and removes for a few seconds. A lease that is not needed any more is given back.
    pub async fn step(&self) -> Result<Step, db::Error> {
        self.journal.prepare_days(self.clock.now()).await?;
        let mut rows = RowCounts::new();
        let step = self.work(self.cutoffs(), &mut rows, &mut |_| {}).await?;
        if !rows.is_empty() {
            let total: u64 = rows.values().sum();
            tracing::info!(rows = total, "removed what was past its retention");
        }
        if step != Step::More {
            self.release().await?;
        }
        Ok(step)
    }

    /// Removes everything that is past its retention now; `progress` hears the rows so far.
    pub async fn purge(
        &self,
        progress: &mut (dyn FnMut(&RowCounts) + Send),
    ) -> Result<Purged, PurgeError> {
        let mut purged = Purged {
            cutoffs: self.cutoffs(),
            rows: RowCounts::new(),
        };
        let mut refusals = 0;
        loop {
            let step = self.work(purged.cutoffs, &mut purged.rows, progress).await;
            let ended = match step {
                Ok(Step::More) => {
                    refusals = 0;
                    continue;
                }
                Ok(Step::Done) => Ok(purged),
                Ok(Step::NotOurs) => return Err(PurgeError::Busy),
                Ok(Step::Rebuilding) => Err(PurgeError::Rebuilding),
                Err(error) if error.is_transient() && refusals < REFUSALS => {
                    refusals += 1;
                    sleep(REFUSAL_PAUSE).await;
                    continue;
                }
                Err(error) => Err(error.into()),
            };
            self.release().await?;
            return ended;
        }
    }

    /// Counts what [`Retention::purge`] would remove now, and removes nothing.
    pub async fn forecast(
        &self,
        progress: &mut (dyn FnMut(&RowCounts) + Send),
    ) -> Result<Purged, PurgeError> {
        if self.store.is_rebuilding().await? {
            return Err(PurgeError::Rebuilding);
        }
        let mut purged = Purged {
            cutoffs: self.cutoffs(),
            rows: RowCounts::new(),
        };
        let position = self.store.position().await?;
        let beginning = self
            .count_callbacks(position, &mut purged, progress)
            .await?;
        self.count_messages(beginning, &mut purged, progress)
            .await?;
        for leftover in leftovers(&purged.cutoffs, first_place(beginning, position)) {
            let number = self.store.clear(leftover, Deed::Count).await?;
            *purged.rows.entry(leftover.table()).or_default() += number;
        }
        purged.rows.retain(|_, number| *number > 0);
        Ok(purged)
    }

    /// Keeps everything that was read in the journal until a rebuild has read it again; false while another process removes. Release the lease afterwards.
    pub(super) async fn hold_back(&self) -> Result<bool, db::Error> {
        let now = self.clock.now();
        let held = self
            .store
            .claim_lease(LEASE, self.holder, now, LEASE_LENGTH)
            .await?;
        if held {
            self.store.announce_rebuild().await?;
        }
        Ok(held)
    }

    /// Gives the lease back.
    pub async fn release(&self) -> Result<(), db::Error> {
        self.store.release_lease(LEASE, self.holder).await
    }

    async fn work(
        &self,
        cutoffs: Cutoffs,
        rows: &mut RowCounts,
        progress: &mut (dyn FnMut(&RowCounts) + Send),
    ) -> Result<Step, db::Error> {
        let now = self.clock.now();
        let ours = self
            .store
            .claim_lease(LEASE, self.holder, now, LEASE_LENGTH)
            .await?;
        if !ours {
            return Ok(Step::NotOurs);
        }
        // After the lease: whoever begins a rebuild takes the lease first and says so second.
        if self.store.is_rebuilding().await? {
            return Ok(Step::Rebuilding);
        }
        let began = Instant::now();
        let mut shift = Shift {
            cutoffs,
            now,
            until: began + STEP,
            portion_began: began,
            stopping: &self.stopping,
            rows,
            progress,
        };
        let step = self.remove(&mut shift).await;
        shift.rows.retain(|_, number| *number > 0);
        step
    }

    async fn remove(&self, shift: &mut Shift<'_>) -> Result<Step, db::Error> {
        let position = self.store.position().await?;
        if self.remove_callbacks(position, shift).await? == Step::More {
            return Ok(Step::More);
        }
        let beginning = self.journal.find_start().await?;
        if self.remove_messages(beginning, shift).await? == Step::More {
            return Ok(Step::More);
        }
        for leftover in leftovers(&shift.cutoffs, first_place(beginning, position)) {
            loop {
                let removed = self.store.clear(leftover, Deed::Remove).await?;
                shift.note(leftover.table(), removed);
                if !Store::may_be_more(removed) {
                    break;
                }
                if shift.rest().await == Step::More {
                    return Ok(Step::More);
                }
            }
        }
        self.give_back(shift).await
    }

    async fn remove_callbacks(
        &self,
        position: i64,
        shift: &mut Shift<'_>,
    ) -> Result<Step, db::Error> {
        let leave = PurgeLimit {
            position,
            received_before: shift.cutoffs.callbacks,
        };
        while let Some(portion) = self.journal.next_portion(&leave, None).await? {
            let Some(removed) = self.journal.remove(&leave, &portion).await? else {
                // Something came in that has to be read first.
                return Ok(Step::Done);
            };
            shift.note("journal", removed);
            if shift.rest().await == Step::More {
                return Ok(Step::More);
            }
        }
        Ok(Step::Done)
    }

    async fn remove_messages(
        &self,
        beginning: Option<JournalStart>,
        shift: &mut Shift<'_>,
    ) -> Result<Step, db::Error> {
        let past = past_messages(&shift.cutoffs, beginning);
        let mut mark = None;
        while let Some(portion) = self.store.purge_messages(&past, mark, shift.now).await? {
            mark = Some(portion.mark);
            for (table, number) in portion.rows {
                shift.note(table, number);
            }
            if shift.rest().await == Step::More {
                return Ok(Step::More);
            }
        }
        Ok(Step::Done)
    }

    /// Makes the files shorter by what is free in them.
    async fn give_back(&self, shift: &mut Shift<'_>) -> Result<Step, db::Error> {
        while self.journal.give_back().await? > 0 {
            if shift.rest().await == Step::More {
                return Ok(Step::More);
            }
        }
        while self.store.give_back().await? > 0 {
            if shift.rest().await == Step::More {
                return Ok(Step::More);
            }
        }
        Ok(Step::Done)
    }

    /// Counts callbacks that would leave, and tells where the journal would begin then.
    async fn count_callbacks(
        &self,
        position: i64,
        purged: &mut Purged,
        progress: &mut (dyn FnMut(&RowCounts) + Send),
    ) -> Result<Option<JournalStart>, db::Error> {
        let leave = PurgeLimit {
            position,
            received_before: purged.cutoffs.callbacks,
        };
        let mut last = None;
        while let Some(portion) = self.journal.next_portion(&leave, last.as_ref()).await? {
            *purged.rows.entry("journal").or_default() += portion.rows;
            progress(&purged.rows);
            last = Some(portion);
        }
        match last {
            Some(last) => self.journal.find_start_after(&last).await,
            None => self.journal.find_start().await,
        }
    }

    async fn count_messages(
        &self,
        beginning: Option<JournalStart>,
        purged: &mut Purged,
        progress: &mut (dyn FnMut(&RowCounts) + Send),
    ) -> Result<(), db::Error> {
        let past = past_messages(&purged.cutoffs, beginning);
        let (mut mark, mut counted) = (None, CountedConflicts::new());
        while let Some(portion) = self
            .store
            .count_past_messages(&past, mark, &mut counted)
            .await?
        {
            mark = Some(portion.mark);
            for (table, number) in portion.rows {
                *purged.rows.entry(table).or_default() += number;
            }
            progress(&purged.rows);
        }
        Ok(())
    }
}

fn past_messages(cutoffs: &Cutoffs, beginning: Option<JournalStart>) -> PastMessages {
    PastMessages {
        created_before: cutoffs.messages,
        first_callback: beginning.map(|beginning| beginning.id),
    }
}

/// Below this place nothing is in the journal any more.
fn first_place(beginning: Option<JournalStart>, position: i64) -> i64 {
    let unread = position + 1;
    beginning.map_or(unread, |beginning| beginning.seq.min(unread))
}

/// What belongs to no message. Quarantine's copies before the outcomes that they keep.
fn leftovers(cutoffs: &Cutoffs, first_place: i64) -> [Leftover; 6] {
    [
        Leftover::Quarantine(cutoffs.messages),
        Leftover::Outcomes(first_place, cutoffs.messages),
        Leftover::Actions(cutoffs.messages),
        Leftover::Windows(cutoffs.windows),
        Leftover::SignInLinks(cutoffs.expired),
        Leftover::Leases(cutoffs.expired),
    ]
}
