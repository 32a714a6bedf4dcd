//! Migrates the main database while callbacks are still received, and reports the progress.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::db::Error;
use crate::store::Store;
use crate::store::ledger::recount::RecountProgress;
use crate::store::schema_migration::MigrationStep;

/// Messages between two log lines of a recount.
const MESSAGES_PER_LOG_LINE: u64 = 250_000;
/// Between two attempts to get the lock; each waits a few seconds itself.
const LOCK_PAUSE: Duration = Duration::from_secs(1);
/// Between two log lines that another process holds the lock.
const LOCK_LOG_INTERVAL: Duration = Duration::from_mins(1);

/// What to do while another process holds the lock of the main database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LockWait {
    /// Fails after a few seconds, like every write.
    Brief,
    /// Waits as long as it is held: callbacks are received meanwhile. On PostgreSQL another process
    /// may be migrating.
    UntilFree,
}

/// The current step of an upgrade. Its text is shown without sign-in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum UpgradeStep {
    #[default]
    Preparing,
    BackingUp,
    WaitingForLock,
    Migrating(MigrationStep),
    /// The main database is migrated and is being opened.
    Finishing,
}

impl fmt::Display for UpgradeStep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preparing => write!(out, "preparing the migration"),
            Self::BackingUp => write!(out, "making a backup before the migration"),
            Self::WaitingForLock => write!(
                out,
                "waiting for another process that has locked the main database"
            ),
            Self::Migrating(MigrationStep::Applying { number, total }) => {
                write!(out, "migrating the main database: {number} of {total}")
            }
            Self::Migrating(MigrationStep::Counting(RecountProgress { counted, total })) => {
                // A percentage, because only operators may know the number of messages.
                let percent = (counted * 100).checked_div(*total).unwrap_or_default();
                write!(out, "counting messages again: {percent} %")
            }
            Self::Finishing => write!(out, "opening the main database"),
        }
    }
}

/// The current step of an upgrade, shared by all clones.
#[derive(Clone, Debug, Default)]
pub struct UpgradeProgress(Arc<Mutex<UpgradeStep>>);

impl UpgradeProgress {
    pub fn set(&self, step: UpgradeStep) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = step;
    }

    pub fn step(&self) -> UpgradeStep {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Applies the pending migrations in one transaction: after an error, a signal or a crash the
/// database is as before.
pub async fn migrate(
    store: &Store,
    wait: LockWait,
    progress: &UpgradeProgress,
) -> Result<(), Error> {
    let started = Instant::now();
    let mut log = MigrationLog::default();
    let mut last_log = None;
    loop {
        let migrated = store
            .migrate_with(&mut |step| {
                progress.set(UpgradeStep::Migrating(step));
                log.note(step);
            })
            .await;
        match migrated {
            Err(error) if error.is_busy() && wait == LockWait::UntilFree => {
                progress.set(UpgradeStep::WaitingForLock);
                if last_log.is_none_or(|at: Instant| at.elapsed() >= LOCK_LOG_INTERVAL) {
                    last_log = Some(Instant::now());
                    tracing::warn!(%error, "the migration is waiting: another process has locked the main database");
                }
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            Err(error) => return Err(error),
            Ok(()) => {
                if log.has_logged {
                    let duration_ms = started.elapsed().as_millis();
                    tracing::info!(duration_ms, "migrated the main database");
                }
                return Ok(());
            }
        }
    }
}

/// Logs the beginning and every [`MESSAGES_PER_LOG_LINE`] of a recount, and nothing for a new
/// database.
#[derive(Default)]
struct MigrationLog {
    has_logged: bool,
    counted: u64,
}

impl MigrationLog {
    fn note(&mut self, step: MigrationStep) {
        match step {
            MigrationStep::Applying { number: 1, total } => {
                self.has_logged = true;
                tracing::info!(migrations = total, "migrating the main database");
            }
            MigrationStep::Counting(RecountProgress { counted: 0, total }) if total > 0 => {
                self.has_logged = true;
                self.counted = 0;
                tracing::info!(messages = total, "counting all messages again");
            }
            MigrationStep::Counting(RecountProgress { counted, total })
                if counted >= self.counted + MESSAGES_PER_LOG_LINE =>
            {
                self.counted = counted;
                tracing::info!(counted, total, "still counting messages again");
            }
            MigrationStep::Applying { .. } | MigrationStep::Counting(_) => {}
        }
    }
}
