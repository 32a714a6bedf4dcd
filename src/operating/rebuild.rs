//! Derives receipts, states and counts again, after a parser or a rule has changed: from the
//! journal, and from messages, attempts and actions in the main database.

use chrono::{DateTime, Utc};
use thiserror::Error;
use uuid::Uuid;

use crate::db;
use crate::domain::callback_record::JournalPosition;
use crate::domain::ids::CallbackId;
use crate::receiving::reconcile::{ReconcileStep, Reconciler};
use crate::services::Services;

#[derive(Debug, Error)]
pub enum RebuildError {
    /// Another process holds the reconciler lease.
    #[error(
        "another process is processing the journal; stop `serve` first (after a crash its lease runs out within {} seconds)",
        Reconciler::LEASE.num_seconds()
    )]
    ServeRunning,
    #[error("a purge is running, by `serve` or `bluetick purge`; try again in a minute")]
    PurgeRunning,
    #[error(transparent)]
    Store(#[from] db::Error),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RebuildReport {
    /// Messages whose derived data were dropped.
    pub messages: u64,
    pub callbacks: u64,
}

/// `progress` receives the number of callbacks processed so far.
pub async fn rebuild(
    services: &Services,
    progress: &mut impl FnMut(u64),
) -> Result<RebuildReport, RebuildError> {
    let reconciler = &services.reconciler;
    if !reconciler.claim().await? {
        return Err(RebuildError::ServeRunning);
    }
    let rebuilt = derive_again(services, progress).await;
    reconciler.release_lease().await?;
    rebuilt
}

async fn derive_again(
    services: &Services,
    progress: &mut impl FnMut(u64),
) -> Result<RebuildReport, RebuildError> {
    let end = services.journal.end().await?;
    let now = services.clock.now();
    if !services.retention.block_purge().await? {
        return Err(RebuildError::PurgeRunning);
    }
    let start = find_start(services, end).await?;
    services.retention.release().await?;
    let mut rebuilt = RebuildReport {
        messages: services.store.begin_rebuild(start, now).await?,
        callbacks: 0,
    };
    services.reconciler.forget_known_links();
    loop {
        match services.reconciler.step().await? {
            ReconcileStep::Applied { callbacks: 0, .. } => return Ok(rebuilt),
            ReconcileStep::Applied { callbacks, .. } => {
                rebuilt.callbacks += u64::try_from(callbacks).unwrap_or_default();
                progress(rebuilt.callbacks);
            }
            ReconcileStep::LeaseHeldElsewhere => return Err(RebuildError::ServeRunning),
        }
    }
}

/// Where the rebuild starts: the lowest `seq` and the smallest id in the journal.
async fn find_start(services: &Services, end: i64) -> Result<JournalPosition, db::Error> {
    let first = services.journal.list_positions(0, 1).await?.pop();
    let oldest = services.journal.find_start().await?;
    Ok(match first.zip(oldest) {
        Some((first, oldest)) => JournalPosition {
            id: oldest.id,
            ..first
        },
        // Every callback was purged: nothing can be derived again, so nothing is dropped.
        None => JournalPosition {
            seq: end + 1,
            id: CallbackId::from(Uuid::max()),
            received_at: DateTime::<Utc>::MAX_UTC,
        },
    })
}
