//! Why a backup could not be made or restored.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::db;

#[derive(Debug, Error)]
pub enum BackupError {
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} is not empty; name a new folder", .0.display())]
    NotEmpty(PathBuf),
    #[error(transparent)]
    Database(#[from] db::Error),
    #[error("the copy of {file} is damaged: {fault}")]
    DamagedDatabase { file: &'static str, fault: String },
    #[error(
        "the copies disagree ({number} discrepancies, the first: {first}); run `bluetick verify`"
    )]
    Disagreeing { number: u64, first: String },
    #[error("{} is not the manifest of a backup: {source}", path.display())]
    Manifest {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error(
        "{file} in the backup is not the file that its manifest describes; the backup is damaged"
    )]
    ChangedFile { file: String },
    #[error("{file} in the manifest is not the name of a file in the backup")]
    ForeignFile { file: String },
    #[error("the backup has no {0}; it is incomplete")]
    Missing(&'static str),
    #[error(
        "{} exists; restore into an empty data folder, or move its databases elsewhere",
        .0.display()
    )]
    Occupied(PathBuf),
    #[error("a running campaign could not be paused: {0}")]
    Campaign(String),
    #[error(
        "secret_key is not the one that this backup was made with; set that key, or put the file secret_key into the data folder first"
    )]
    OtherKey,
}

impl BackupError {
    pub(super) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
