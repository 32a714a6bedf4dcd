//! The journal's database: its location, its migrations, and whether it was used.

use migration::{JournalMigrator, MigratorTrait};
use sea_orm_migration::SchemaManager;

use crate::db;
use crate::db::Error;
use crate::db::connect_options::{JOURNAL_WRITER, MAIN_BUSY_TIMEOUT};
use crate::db::database_location::DatabaseLocation;
use crate::db::pools::Pools;
use crate::db::schema_check::{self, SchemaState};
use crate::domain::secret::Secret;
use crate::journal::pairing;

/// PostgreSQL advisory lock under which sequence numbers are assigned, so that they follow the
/// order of commits. `bt_jrnl` in ASCII.
const JOURNAL_LOCK: i64 = 0x0062_745f_6a72_6e6c;

/// On PostgreSQL the journal is part of the main database.
pub fn location(database_url: &Secret) -> DatabaseLocation {
    DatabaseLocation::parse(database_url).beside("journal.db")
}

/// Opens the journal of a main database. Applies no migrations; see [`migrate`]. On PostgreSQL it
/// uses half of the `connections` of the process.
pub async fn connect(database_url: &Secret, connections: u32) -> Result<Pools, Error> {
    let location = location(database_url).with_connections(connections);
    Pools::open(&location, JOURNAL_LOCK, JOURNAL_WRITER).await
}

/// Applies missing migrations, one process at a time. If none are missing, a lock held elsewhere
/// does not prevent the start.
pub async fn migrate(pools: &Pools) -> Result<(), Error> {
    let transaction = match pools.begin().await {
        Ok(transaction) => transaction,
        Err(error) if error.is_busy() => {
            let missing = JournalMigrator::get_pending_migrations(pools.writer()).await?;
            if missing.is_empty() {
                return Ok(());
            }
            // In a new PostgreSQL database the first of several processes creates the tables.
            pools.begin_within(MAIN_BUSY_TIMEOUT).await?
        }
        Err(error) => return Err(error),
    };
    match JournalMigrator::up(&transaction, None).await {
        Ok(()) => Ok(transaction.commit().await?),
        Err(error) => {
            transaction.rollback().await?;
            Err(error.into())
        }
    }
}

/// Rejects a journal that a newer program has migrated.
pub(crate) async fn check_schema(pools: &Pools) -> Result<SchemaState, Error> {
    schema_check::check_schema::<JournalMigrator>(pools, None).await
}

/// Rejects a journal with another schema. For read-only commands.
pub async fn check_migrated(pools: &Pools) -> Result<(), Error> {
    db::require_current_schema(check_schema(pools).await?)
}

/// Whether the journal's file exists; always true on PostgreSQL.
pub fn exists(database_url: &Secret) -> bool {
    match location(database_url) {
        DatabaseLocation::File(path) => path.exists(),
        DatabaseLocation::Server { .. } => true,
    }
}

/// Whether the journal was ever used with a main database: it has callbacks or the mark of a start.
/// Applies no migrations.
pub async fn was_used(database_url: &Secret, connections: u32) -> Result<bool, Error> {
    let pools = connect(database_url, connections).await?;
    let used = was_used_in(&pools).await;
    pools.close().await?;
    used
}

async fn was_used_in(pools: &Pools) -> Result<bool, Error> {
    // After an interrupted first start there are no tables; an older version did not have all.
    let tables = SchemaManager::new(pools.reader());
    if tables.has_table("journal").await? && pairing::read_end(pools).await? > 0 {
        return Ok(true);
    }
    Ok(tables.has_table("journal_pairing").await? && pairing::find_mark(pools).await?.is_some())
}
