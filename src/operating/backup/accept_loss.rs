//! Restores a data folder from a copy that is not a backup, such as a `tar` of the folder of a
//! running `serve`: the two databases may be from different times.
//!
//! **Invariant:** nothing that was sent is sent again, unless the operator asks for it with `--queue`:
//! queued messages become uncertain, as after a restore of a backup.

use std::fs;
use std::path::Path;

use chrono::{DateTime, Utc};

use crate::domain::audit_action::{Action, ActionKind};
use crate::journal::{self, Journal, spool};
use crate::operating::action_context::ActionContext;
use crate::operating::backup::backup_error::BackupError;
use crate::operating::backup::create::copy_uploads;
use crate::operating::backup::files;
use crate::operating::backup::layout::{
    CONNECTIONS, JOURNAL_FILE, MAIN_FILE, STAGING_FOLDER, UPLOADS_FOLDER, database_url,
};
use crate::operating::backup::possibly_sent::PossiblySent;
use crate::operating::backup::restore::RestoreTarget;
use crate::operating::backup::restored_access::RestoredAccess;
use crate::store::Store;

/// What was restored, and what is missing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LossyRestore {
    pub possibly_sent: PossiblySent,
    pub access: RestoredAccess,
    /// Callbacks that were processed but are missing from the journal.
    pub missing_callbacks: u64,
    /// Callbacks that the main database has not processed yet; `serve` processes them.
    pub unprocessed: u64,
    /// When the last callback in the journal was received.
    pub last_callback_at: Option<DateTime<Utc>>,
}

pub async fn restore_with_loss(
    copy: &Path,
    target: &RestoreTarget<'_>,
    context: &ActionContext<'_>,
) -> Result<LossyRestore, BackupError> {
    for name in [MAIN_FILE, JOURNAL_FILE] {
        files::refuse_existing_database(target.data_dir, name)?;
        if !copy.join(name).exists() {
            return Err(BackupError::Missing(name));
        }
    }
    let staging = target.data_dir.join(STAGING_FOLDER);
    // Left by a restore that was interrupted.
    if staging.exists() {
        fs::remove_dir_all(&staging).map_err(BackupError::at(&staging))?;
    }
    files::create_empty_folder(&staging)?;
    let copied = copy_into(copy, &staging)?;
    let loss = reconcile_copies(&staging, target, context).await?;
    move_into_place(&staging, target.data_dir, &copied)?;
    Ok(loss)
}

/// Returns the names of the spool files. Does not copy `-shm` files: SQLite creates them again.
fn copy_into(copy: &Path, staging: &Path) -> Result<Vec<String>, BackupError> {
    for name in [MAIN_FILE, JOURNAL_FILE] {
        for name in [name.to_owned(), format!("{name}-wal")] {
            files::copy(&copy.join(&name), &staging.join(&name))?;
        }
    }
    let mut names = Vec::new();
    for file in files::list_files(copy)? {
        if spool::is_spool_file(&file) {
            let name = file.file_name().unwrap_or_default();
            files::copy(&file, &staging.join(name))?;
            names.push(name.to_string_lossy().into_owned());
        }
    }
    copy_uploads(&copy.join(UPLOADS_FOLDER), staging)?;
    Ok(names)
}

async fn reconcile_copies(
    staging: &Path,
    target: &RestoreTarget<'_>,
    context: &ActionContext<'_>,
) -> Result<LossyRestore, BackupError> {
    let url = database_url(staging);
    let pools = journal::connect(&url, CONNECTIONS).await?;
    journal::check_schema(&pools).await?;
    journal::migrate(&pools).await?;
    let journal = Journal::open(pools).await?;
    let store = Store::open(&url, CONNECTIONS).await?;
    let restored = reconcile_opened(&store, &journal, target, context).await;
    journal.close().await?;
    store.close().await?;
    restored
}

async fn reconcile_opened(
    store: &Store,
    journal: &Journal,
    target: &RestoreTarget<'_>,
    context: &ActionContext<'_>,
) -> Result<LossyRestore, BackupError> {
    for (file, faults) in [
        (MAIN_FILE, store.find_faults().await?),
        (JOURNAL_FILE, journal.find_faults().await?),
    ] {
        if let Some(fault) = faults.into_iter().next() {
            return Err(BackupError::DamagedDatabase { file, fault });
        }
    }
    store.check_schema().await?;
    store.migrate().await?;
    let fingerprint = store.key_fingerprint().await?;
    if !fingerprint.is_some_and(|known| target.key_fingerprints.contains(&known)) {
        return Err(BackupError::OtherKey);
    }
    let state = journal.state().await?;
    let position = store.position().await?;
    let missing = store.accept_journal(&state).await?;
    // Later callbacks must not get the numbers of the missing ones, which count as processed.
    journal.skip_to(position).await?;
    let reason = "restored from a copy of the data folder: it may have been sent";
    let possibly_sent = PossiblySent::mark(store, target.queued, reason, context).await?;
    let access = RestoredAccess::end_sign_ins(store, context).await?;
    let action = Action {
        detail: Some(format!(
            "from a copy, with loss accepted; {possibly_sent}, {missing} callbacks are missing; {access}"
        )),
        ..Action::new(context.actor, ActionKind::RestoreBackup, context.now)
    };
    store.record_action(&action).await?;
    Ok(LossyRestore {
        possibly_sent,
        access,
        missing_callbacks: missing,
        unprocessed: u64::try_from(state.end - position).unwrap_or_default(),
        last_callback_at: journal.last_received_at().await?,
    })
}

/// Moves the main database last: without it, `serve` cannot send anything.
fn move_into_place(staging: &Path, data_dir: &Path, spooled: &[String]) -> Result<(), BackupError> {
    let uploads = data_dir.join(UPLOADS_FOLDER);
    if !uploads.exists() {
        files::create_empty_folder(&uploads)?;
    }
    for file in files::list_files(&staging.join(UPLOADS_FOLDER))? {
        let to = uploads.join(file.file_name().unwrap_or_default());
        fs::rename(&file, &to).map_err(BackupError::at(&to))?;
    }
    let names = spooled.iter().map(String::as_str);
    for name in names.chain([JOURNAL_FILE, MAIN_FILE]) {
        files::move_in(staging, data_dir, name)?;
    }
    files::sync_folder(&uploads)?;
    files::sync_folder(data_dir)?;
    fs::remove_dir_all(staging).map_err(BackupError::at(staging))
}
