//! Access to SQLite and PostgreSQL: connections, errors, batched statements, instants, disk space. Knows no tables.

pub mod connection;
pub mod disk;
mod error;
pub(crate) mod instant;
pub mod serve_lock;
pub(crate) mod statements;
mod write_back;

use std::path::Path;

use connection::MAIN_BUSY_TIMEOUT;
pub use error::Error;
pub use write_back::WrittenBack;

/// Work that a caller waits for, as long as a lock may be waited for.
pub(crate) async fn in_time<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    // On the heap, or every caller's future would hold it twice.
    let done = tokio::time::timeout(MAIN_BUSY_TIMEOUT, Box::pin(work)).await;
    done.unwrap_or(Err(Error::TooSlow))
}

/// What a command says that applies no migration itself.
pub(crate) fn refuse_missing(migrations: usize) -> Result<(), Error> {
    if migrations == 0 {
        return Ok(());
    }
    Err(Error::Foreign(format!(
        "its schema is older than this program ({migrations} missing); `serve` and `migrate` bring it up to date"
    )))
}

pub(crate) fn exists_with_content(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.len() > 0)
}
