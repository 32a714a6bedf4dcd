//! Drops the index by state and creation on SQLite, where lists of a state are merged from the index by
//! account and state. Every report moves a message's entry in each index with its state. PostgreSQL
//! keeps the index: its lists across accounts still read it.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() == DbBackend::Postgres {
            return Ok(());
        }
        dialect::run(manager, "DROP INDEX messages_state_created").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() == DbBackend::Postgres {
            return Ok(());
        }
        dialect::run(
            manager,
            "CREATE INDEX messages_state_created ON messages (state, created_at, id)",
        )
        .await
    }
}
