//! The right to serve a SQLite database, which one process has at a time: a locked file beside it. Commands that work beside `serve` need none.
//!
//! PostgreSQL is served by as many as like; what one of them does at a time is under a lease.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::db::Error;
use crate::db::connection::{Engine, engine_of, make_private_file, sqlite_path};
use crate::domain::secret::Secret;

/// The file's name. It stays when its process has ended; only its lock says anything.
const FILE_NAME: &str = "serve.lock";

/// The right to serve, until it is dropped or the process ends, in whatever way.
#[derive(Debug)]
pub struct Serving {
    /// None on PostgreSQL.
    _locked: Option<File>,
}

/// What became of an attempt to get it.
#[derive(Debug)]
pub enum Claim {
    /// It is ours.
    Ours(Serving),
    /// Another process serves what lies in this folder.
    Anothers(PathBuf),
}

/// Tries to become the one who serves this database; waits for nobody.
pub fn claim(database_url: &Secret) -> Result<Claim, Error> {
    if engine_of(database_url) == Engine::Postgres {
        return Ok(Claim::Ours(Serving { _locked: None }));
    }
    let database = sqlite_path(database_url);
    let path = database.with_file_name(FILE_NAME);
    let failed = |source| Error::File {
        path: path.display().to_string(),
        source,
    };
    make_private_file(&path)?;
    let file = File::options().write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Claim::Ours(Serving {
            _locked: Some(file),
        })),
        Err(TryLockError::WouldBlock) => {
            let folder = database.parent().unwrap_or(Path::new("."));
            Ok(Claim::Anothers(folder.to_owned()))
        }
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
