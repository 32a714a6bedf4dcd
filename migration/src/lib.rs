//! Two ordered lists of schema changes: the journal's and the main database's.

mod dialect;
mod journal;
// A module named `main` would read as the start of a program.
#[path = "main/mod.rs"]
mod main_database;

pub use journal::JournalMigrator;
pub use main_database::MainMigrator;
pub use sea_orm_migration::MigratorTrait;
