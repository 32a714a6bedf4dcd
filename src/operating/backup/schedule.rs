//! Scheduled backups of `serve`: when the next one is due, and which old ones are removed.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::BackupSchedule;
use crate::operating::backup::backup_error::BackupError;
use crate::operating::backup::create::{BackupSource, create_backup};
use crate::operating::backup::existing_backups::{list_backups, remove_backup, remove_unfinished};
use crate::operating::backup::files;
use crate::operating::backup::layout::{folder_name, is_automatic};
use crate::operating::backup::manifest::Manifest;
use crate::services::Services;

/// Makes a backup if one is due, and removes old ones; `None` if none is due.
pub async fn run_schedule(
    services: &Services,
    schedule: &BackupSchedule,
) -> Result<Option<Manifest>, BackupError> {
    let now = services.clock.now();
    let newest = newest_backup(&schedule.directory)?;
    if newest.is_some_and(|newest| now < next_after(newest, schedule)) {
        return Ok(None);
    }
    files::create_folder(&schedule.directory)?;
    remove_unfinished(&schedule.directory)?;
    let source = BackupSource {
        store: &services.store,
        journal: &services.journal,
        data_dir: &services.config.data_dir,
    };
    let target = schedule.directory.join(folder_name(now));
    let created = create_backup(&source, &target, &*services.clock, &mut |_| {}).await;
    if created.is_err() {
        remove_backup(&target)?;
    }
    let manifest = created?;
    let keep = usize::try_from(schedule.keep).unwrap_or(usize::MAX);
    let backups = list_backups(&schedule.directory)?;
    let automatic = backups
        .iter()
        .rev()
        .filter(|backup| is_automatic(&backup.folder));
    for old in automatic.skip(keep) {
        remove_backup(&old.folder)?;
    }
    Ok(Some(manifest))
}

/// When the newest complete backup in a folder was made.
pub fn newest_backup(folder: &Path) -> Result<Option<DateTime<Utc>>, BackupError> {
    let backups = list_backups(folder)?;
    Ok(backups.last().map(|backup| backup.manifest.taken_at))
}

/// When the backup after this one is due.
pub fn next_after(newest: DateTime<Utc>, schedule: &BackupSchedule) -> DateTime<Utc> {
    newest + TimeDelta::from_std(schedule.every).unwrap_or(TimeDelta::MAX)
}
