//! Limits and status of the spool.

use std::path::PathBuf;

use crate::db::disk::Reserve;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SpoolLimits {
    /// Maximum size of this process's file.
    pub bytes: u64,
    pub reserve: Reserve,
}

impl Default for SpoolLimits {
    /// 4 GiB, enough for several million callbacks.
    fn default() -> Self {
        Self {
            bytes: 4 * 1024 * 1024 * 1024,
            reserve: Reserve::default(),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpoolSettings {
    /// The data folder.
    pub folder: PathBuf,
    pub limits: SpoolLimits,
}

impl SpoolSettings {
    /// With default limits.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            limits: SpoolLimits::default(),
        }
    }
}

/// Status, and counters since the process started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SpoolStatus {
    /// Whether callbacks go to the spool now because the journal does not accept them.
    pub in_use: bool,
    /// Whether the spool does not accept callbacks either, as of the last attempt.
    pub refusing: bool,
    /// Records that are not in the journal yet.
    pub depth: u64,
    pub bytes: u64,
    /// Records written to the spool.
    pub spooled: u64,
    /// Records moved to the journal, including those of ended processes.
    pub drained: u64,
    /// Records that neither journal nor spool accepted.
    pub failed: u64,
    /// Records that the journal rejected; stored in a separate file.
    pub set_aside: u64,
}
