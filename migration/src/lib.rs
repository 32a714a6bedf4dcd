//! Two ordered lists of schema changes: of the journal, and of the main database.

mod dialect;
mod journal;
// `mod main` would look like the entry point of a program.
#[path = "main/mod.rs"]
mod main_database;

pub use journal::JournalMigrator;
pub use main_database::MainMigrator;
pub use sea_orm_migration::MigratorTrait;
