//! Two ordered lists of schema changes: the journal's and the main database's.

mod columns;
mod journal;
#[expect(special_module_name, reason = "the list is of the main database; no program starts here")]
mod main;

pub use journal::JournalMigrator;
pub use main::MainMigrator;
