//! Backups of a SQLite data folder: made while `serve` runs, checked when they are made, restored
//! so that nothing is sent twice.

mod accept_loss;
mod backup_error;
mod before_migrations;
mod create;
mod existing_backups;
mod files;
mod layout;
mod manifest;
mod possibly_sent;
mod restore;
mod restored_access;
mod schedule;

pub use accept_loss::{LossyRestore, restore_with_loss};
pub use backup_error::BackupError;
pub use before_migrations::{UnmigratedSource, back_up_before_migrations};
pub use create::{BackupSource, create_backup};
pub use existing_backups::{ExistingBackup, list_backup_folders, list_backups};
pub use manifest::Manifest;
pub use possibly_sent::PossiblySent;
pub use restore::{RestoreReport, RestoreTarget, restore_backup};
pub use restored_access::RestoredAccess;
pub use schedule::{newest_backup, next_after, run_schedule};
