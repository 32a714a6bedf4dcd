//! Changes of the main database, oldest first.

use sea_orm_migration::prelude::*;

/// The main database's list.
#[derive(Debug)]
pub struct MainMigrator;

#[async_trait::async_trait]
impl MigratorTrait for MainMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        Vec::new()
    }

    fn migration_table_name() -> DynIden {
        Alias::new("main_migrations").into_iden()
    }
}
