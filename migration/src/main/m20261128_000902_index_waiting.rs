//! Indexes queued messages that belong to no campaign: they are sent before those of campaigns.

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

const UP: &str = r"
CREATE INDEX messages_waiting_alone ON messages (account, next_attempt_at)
    WHERE next_attempt_at IS NOT NULL AND campaign IS NULL
";

const DOWN: &str = "DROP INDEX messages_waiting_alone";
