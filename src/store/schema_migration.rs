//! Migrations of the main database, and the version of the program that made them.

use migration::MainMigrator;
use sea_orm::DatabaseTransaction;
use sea_orm_migration::MigratorTrait;

use crate::db::schema_check::{SchemaState, check_schema};
use crate::db::{Error, require_current_schema};
use crate::store::Store;
use crate::store::ledger::recount::{self, RecountProgress};
use crate::store::store_settings;

/// The current step of a migration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MigrationStep {
    /// Changes the schema; numbered from 1.
    Applying { number: usize, total: usize },
    /// Counts all messages again.
    Counting(RecountProgress),
}

impl Store {
    /// Applies pending migrations, one process at a time, and records the version of this program.
    pub async fn migrate(&self) -> Result<(), Error> {
        self.migrate_with(&mut |_| {}).await
    }

    /// [`Store::migrate`] with a call at each step.
    pub async fn migrate_with(
        &self,
        progress: &mut impl FnMut(MigrationStep),
    ) -> Result<(), Error> {
        self.pools()
            .within(async |transaction| {
                apply_pending(transaction, progress).await?;
                recount::count_charges_once(transaction, &mut |counted| {
                    progress(MigrationStep::Counting(counted));
                })
                .await?;
                store_settings::record_written_by(transaction, env!("CARGO_PKG_VERSION")).await
            })
            .await
    }

    /// Whether the recount that belongs to a migration is missing. It may be missing although no
    /// migration is pending, if an earlier build applied the migration.
    pub(crate) async fn is_recount_pending(&self) -> Result<bool, Error> {
        let counted = store_settings::are_charges_counted(self.pools().reader()).await?;
        Ok(!counted)
    }

    /// Rejects a database that a newer program has migrated.
    pub(crate) async fn check_schema(&self) -> Result<SchemaState, Error> {
        check_schema::<MainMigrator>(self.pools(), self.written_by().await?).await
    }

    /// Rejects a database with pending migrations; for read-only commands.
    pub async fn check_migrated(&self) -> Result<(), Error> {
        require_current_schema(self.check_schema().await?)
    }
}

async fn apply_pending(
    transaction: &DatabaseTransaction,
    progress: &mut impl FnMut(MigrationStep),
) -> Result<(), Error> {
    let pending = MainMigrator::get_pending_migrations(transaction).await?;
    let total = pending.len();
    if total == MainMigrator::migrations().len() {
        // A new database, which has nothing to convert.
        return Ok(MainMigrator::up(transaction, None).await?);
    }
    for number in 1..=total {
        progress(MigrationStep::Applying { number, total });
        MainMigrator::up(transaction, Some(1)).await?;
    }
    Ok(())
}
