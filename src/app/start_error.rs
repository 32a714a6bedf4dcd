//! Why the program cannot start.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::data_dir::DataDirError;
use crate::db;
use crate::operating::backup::BackupError;
use crate::reporting::costs::RatesError;
use crate::sending::transport::TransportError;

#[derive(Debug, Error)]
pub enum StartError {
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error("{database}: {source}")]
    Database {
        /// `the database` or `the journal`.
        database: &'static str,
        #[source]
        source: db::Error,
    },
    #[error(
        "there is no database yet; `serve` creates it. If it exists elsewhere, run this in the folder of bluetick.toml, or name that file with --config"
    )]
    NoDatabase,
    /// Only the main database exists. Creating a new journal would hide the loss, and its `-wal`
    /// file would corrupt a journal.db restored from a backup.
    #[error("journal.db is missing, but bluetick.db exists; restore both from one backup")]
    NoJournal,
    /// Only a journal that was used exists. Its callbacks belong to messages of the missing
    /// database.
    #[error(
        "bluetick.db is missing, but the journal already has callbacks; restore both from one backup, or move journal.db away to start with a new database"
    )]
    NoMainDatabase,
    #[error("another `bluetick serve` is already running on the data folder {}", .0.display())]
    AlreadyServed(PathBuf),
    #[error("the backup before the migrations failed, so nothing was migrated: {0}")]
    Backup(#[from] BackupError),
    #[error("cannot store uploads in {}: {source}", .folder.display())]
    Uploads {
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Rates(#[from] RatesError),
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl StartError {
    pub(super) fn main_database(source: db::Error) -> Self {
        Self::Database {
            database: "the database",
            source,
        }
    }

    pub(super) fn journal(source: db::Error) -> Self {
        Self::Database {
            database: "the journal",
            source,
        }
    }
}
