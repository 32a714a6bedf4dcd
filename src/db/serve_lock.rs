//! The lock file that allows one `serve` per SQLite database. Other commands do not need it.
//!
//! PostgreSQL has no such lock: jobs that only one process may do use leases.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::db::database_location::DatabaseLocation;
use crate::db::error::Error;
use crate::db::private_file::create_private_file;
use crate::domain::secret::Secret;

/// The file remains after its process has ended; only the lock on it matters.
const FILE_NAME: &str = "serve.lock";

/// Held until it is dropped or the process ends.
#[derive(Debug)]
pub struct ServeLock {
    /// `None` on PostgreSQL.
    _locked: Option<File>,
}

#[derive(Debug)]
pub enum ServeLockClaim {
    Claimed(ServeLock),
    /// Another process serves the database in this folder.
    HeldElsewhere(PathBuf),
}

/// Claims the lock if it is free. Does not wait.
pub fn claim(database_url: &Secret) -> Result<ServeLockClaim, Error> {
    let DatabaseLocation::File(database) = DatabaseLocation::parse(database_url) else {
        return Ok(ServeLockClaim::Claimed(ServeLock { _locked: None }));
    };
    let path = database.with_file_name(FILE_NAME);
    let failed = |source| Error::File {
        path: path.display().to_string(),
        source,
    };
    create_private_file(&path)?;
    let file = File::options().write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(ServeLockClaim::Claimed(ServeLock {
            _locked: Some(file),
        })),
        Err(TryLockError::WouldBlock) => {
            let folder = database.parent().unwrap_or(Path::new("."));
            Ok(ServeLockClaim::HeldElsewhere(folder.to_owned()))
        }
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
