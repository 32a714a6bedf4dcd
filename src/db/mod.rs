//! Access to SQLite and PostgreSQL: connections, errors, batched statements, instants, disk space. Knows no tables.

mod checkpoint;
pub mod connection;
pub mod disk;
mod error;
pub(crate) mod instant;
mod journal_state;
pub mod serve_lock;
pub(crate) mod statements;

use std::path::Path;

pub use checkpoint::CheckpointResult;
use connection::MAIN_BUSY_TIMEOUT;
pub use error::Error;
pub use journal_state::JournalState;

/// Limits work that a caller waits for to the time that a lock may be waited for.
pub(crate) async fn in_time<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    // Boxed, or every caller's future would contain it twice.
    let done = tokio::time::timeout(MAIN_BUSY_TIMEOUT, Box::pin(work)).await;
    done.unwrap_or(Err(Error::TooSlow))
}

/// Error of commands that apply no migrations.
pub(crate) fn refuse_missing(migrations: usize) -> Result<(), Error> {
    if migrations == 0 {
        return Ok(());
    }
    Err(Error::Foreign(format!(
        "its schema is older than this program ({migrations} migrations missing); run `serve` or `migrate`"
    )))
}

pub(crate) fn exists_with_content(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.len() > 0)
}
