//! Adds the journal position at the start of each attempt, which orders attempts and callbacks.

use sea_orm_migration::prelude::*;

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, DOWN).await
    }
}

/// Existing attempts count as older than every callback.
const UP: &str = "ALTER TABLE attempts ADD COLUMN journal_position bigint NOT NULL DEFAULT 0";

const DOWN: &str = "ALTER TABLE attempts DROP COLUMN journal_position";
