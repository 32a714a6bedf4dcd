//! Indexes the messages that failed because their recipient's 24-hour window was closed.

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

const UP: &str = "CREATE INDEX messages_window_refusals ON messages (account, recipient, failed_at) \
                  WHERE failure_class = 'window'";

const DOWN: &str = "DROP INDEX messages_window_refusals";
