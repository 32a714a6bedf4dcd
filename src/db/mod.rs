//! Access to SQLite and PostgreSQL: connections, errors, batched statements, instants, disk space.
//! Independent of the tables.

mod checkpoint;
mod compaction;
pub mod connect_options;
mod copy;
pub mod database_location;
pub mod disk;
mod error;
pub(crate) mod file_check;
mod free_pages;
pub(crate) mod held_connection;
pub(crate) mod instant;
mod journal_state;
pub mod pools;
mod postgres_connection;
mod postgres_pools;
pub mod private_file;
pub(crate) mod schema_check;
pub mod serve_lock;
mod server_check;
mod socket_relay;
pub(crate) mod statements;
mod transaction;

use std::path::Path;

pub use checkpoint::CheckpointResult;
pub use error::Error;
pub use journal_state::JournalState;
use schema_check::SchemaState;
pub use server_check::check_server;
pub(crate) use transaction::in_time;

/// Fails unless the schema is current, for commands that apply no migrations.
pub(crate) fn require_current_schema(schema: SchemaState) -> Result<(), Error> {
    let text = match schema {
        SchemaState::Current => return Ok(()),
        SchemaState::New => "it has no tables yet; run `serve` or `migrate`".to_owned(),
        SchemaState::Behind(migrations) => format!(
            "its schema is older than this program ({migrations} migrations missing); run `serve` or `migrate`"
        ),
    };
    Err(Error::Foreign(text))
}

pub(crate) fn exists_with_content(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.len() > 0)
}
