//! Migrations of the main database, and which program made them.

use migration::MainMigrator;
use sea_orm_migration::MigratorTrait;

use crate::db::schema_check::{SchemaState, check_schema};
use crate::db::{Error, refuse_old};
use crate::store::Store;
use crate::store::ledger::recount;
use crate::store::store_settings;

impl Store {
    /// Applies pending migrations, one process at a time, and records the version of this program.
    pub async fn migrate(&self) -> Result<(), Error> {
        self.pools()
            .within(async |transaction| {
                MainMigrator::up(transaction, None).await?;
                recount::count_charges_once(transaction).await?;
                store_settings::record_writer(transaction, env!("CARGO_PKG_VERSION")).await
            })
            .await
    }

    /// Rejects a database that a newer program has migrated.
    pub(crate) async fn check_schema(&self) -> Result<SchemaState, Error> {
        check_schema::<MainMigrator>(self.pools(), self.written_by().await?).await
    }

    /// Rejects a database with pending migrations; for read-only commands.
    pub async fn check_migrated(&self) -> Result<(), Error> {
        refuse_old(self.check_schema().await?)
    }
}
