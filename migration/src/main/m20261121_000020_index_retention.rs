//! Indexes for retention: idempotency keys of a message, and old windows.

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
CREATE INDEX idempotency_keys_message ON idempotency_keys (message);
CREATE INDEX windows_last_inbound ON windows (last_inbound_at)
";

const DOWN: &str = "DROP INDEX windows_last_inbound; DROP INDEX idempotency_keys_message";
