//! Backups of a SQLite data folder: made while `serve` runs, checked before they count, restored so
//! that nothing is sent twice.

mod backup_error;
mod create;
mod files;
mod layout;
mod manifest;
mod restore;

pub use backup_error::BackupError;
pub use create::{BackupSource, create_backup};
pub use manifest::Manifest;
pub use restore::{RestoreReport, RestoreTarget, restore_backup};
