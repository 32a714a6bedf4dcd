//! What a spool may take, and what it tells about itself.

use std::path::PathBuf;

/// How much a spool may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SpoolLimits {
    /// Bytes of this process's file.
    pub bytes: u64,
    /// Percent of the disk that stay free, so that the database can still be opened.
    pub free_percent: u64,
}

impl Default for SpoolLimits {
    /// 4 GiB, some millions of callbacks, and 5 % of the disk.
    fn default() -> Self {
        Self {
            bytes: 4 * 1024 * 1024 * 1024,
            free_percent: 5,
        }
    }
}

/// Where a spool lies and what it may take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpoolSettings {
    /// The data folder.
    pub folder: PathBuf,
    /// How much it may take.
    pub limits: SpoolLimits,
}

impl SpoolSettings {
    /// A spool in this folder, with the usual limits.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            limits: SpoolLimits::default(),
        }
    }
}

/// How the spool stands, and what was counted since the process started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SpoolStanding {
    /// Whether callbacks go to the spool now because the journal does not take them.
    pub in_use: bool,
    /// Whether the spool does not take them either, as far as was last seen.
    pub refusing: bool,
    /// Records that are not in the journal yet.
    pub depth: u64,
    /// Bytes of the files that hold them.
    pub bytes: u64,
    /// Records put here.
    pub spooled: u64,
    /// Records moved on into the journal, those of ended processes included.
    pub drained: u64,
    /// Records that neither journal nor spool took.
    pub failed: u64,
    /// Records that the journal refused for what they hold; kept in a file of their own.
    pub set_aside: u64,
}
