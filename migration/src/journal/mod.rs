//! Schema changes of the journal, oldest first.

mod m20261120_000001_create_journal;
mod m20261121_000001_partition_journal;
mod m20261121_000002_create_pairing;

use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub struct JournalMigrator;

#[async_trait::async_trait]
impl MigratorTrait for JournalMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261120_000001_create_journal::Migration),
            Box::new(m20261121_000001_partition_journal::Migration),
            Box::new(m20261121_000002_create_pairing::Migration),
        ]
    }

    fn migration_table_name() -> DynIden {
        Alias::new("journal_migrations").into_iden()
    }
}
