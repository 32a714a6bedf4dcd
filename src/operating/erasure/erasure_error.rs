//! Why personal data could not be erased, or not completely.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::db;
use crate::domain::campaign::CampaignId;

#[derive(Debug, Error)]
pub enum ErasureError {
    /// The text is neither a number nor a user id.
    #[error("{0}")]
    InvalidIdentity(String),
    #[error("{0} messages to this customer are being submitted right now; try again in a minute")]
    Submitting(u64),
    #[error("received callbacks are not processed yet; try again when `serve` has processed them")]
    Unprocessed,
    #[error("a rebuild is running; let `serve` or `rebuild` finish it first")]
    Rebuilding,
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// It would be sent without a part of its content.
    #[error(
        "the campaign `{0}` has not ended, and one of its texts contains the number; cancel it or let it end, then erase again"
    )]
    UnfinishedCampaign(CampaignId),
    #[error(transparent)]
    Store(#[from] db::Error),
}

impl ErasureError {
    pub(super) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
