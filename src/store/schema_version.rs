//! The schema of the main database: pending migrations, and the counts that a migration leaves to the
//! program.

use migration::MainMigrator;
use sea_orm_migration::MigratorTrait;

use crate::db::{Error, refuse_missing};
use crate::store::Store;
use crate::store::ledger::recount::count_charges_once;

impl Store {
    /// Applies pending migrations, one process at a time.
    pub async fn migrate(&self) -> Result<(), Error> {
        self.pools
            .within(async |transaction| {
                MainMigrator::up(transaction, None).await?;
                count_charges_once(transaction).await
            })
            .await
    }

    /// Rejects a database with pending migrations; for read-only commands.
    pub async fn check_migrated(&self) -> Result<(), Error> {
        let missing = MainMigrator::get_pending_migrations_read_only(self.pools.reader()).await?;
        refuse_missing(missing.len())
    }
}
