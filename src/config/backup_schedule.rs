//! The table `backup`: scheduled backups.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::table_reader::TableReader;

const DEFAULT_EVERY: Duration = Duration::from_hours(24);
/// A backup reads all data, so more frequent ones would slow down receiving.
const MIN_EVERY: Duration = Duration::from_mins(10);
const DEFAULT_KEEP: u32 = 7;
/// A larger number is a typo.
const MAX_KEEP: u32 = 10_000;

/// When `serve` makes backups, and how many it keeps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BackupSchedule {
    pub directory: PathBuf,
    pub every: Duration,
    /// How many backups are kept; older ones are removed.
    pub keep: u32,
}

/// `None` without a directory.
pub(super) fn read_backup(table: &mut TableReader<'_, '_>) -> Option<BackupSchedule> {
    let directory = table.text("directory").map(|path| table.resolve(&path));
    let every = table.duration("every");
    let keep = table.whole_number("keep", 1..=MAX_KEEP);
    if every.is_some_and(|every| every < MIN_EVERY) {
        table.problem("every", "must be at least 10m");
    }
    if directory.is_none() && (every.is_some() || keep.is_some()) {
        table.problem("directory", "is missing; without it no backups are made");
    }
    Some(BackupSchedule {
        directory: directory?,
        every: every.unwrap_or(DEFAULT_EVERY),
        keep: keep.unwrap_or(DEFAULT_KEEP),
    })
}
