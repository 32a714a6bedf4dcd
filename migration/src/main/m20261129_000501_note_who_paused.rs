//! Adds who paused an account. An existing pause is an operator's if the audit log has one at the
//! same instant.

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
ALTER TABLE accounts ADD COLUMN paused_by {text};
UPDATE accounts SET paused_by = 'provider' WHERE paused_at IS NOT NULL;
UPDATE accounts SET paused_by = 'operator' WHERE EXISTS (
    SELECT 1 FROM actions
    WHERE actions.account = accounts.id AND actions.verb = 'pause-account'
        AND actions.happened_at = accounts.paused_at
)
";

const DOWN: &str = "ALTER TABLE accounts DROP COLUMN paused_by";
