//! Indexes for lists of few messages: an account's messages in one state, failures of one class,
//! messages that were resent.

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
CREATE INDEX messages_account_state_created ON messages (account, state, created_at, id);
CREATE INDEX messages_failure_class ON messages (failure_class, created_at, id) WHERE failure_class IS NOT NULL;
CREATE INDEX messages_resent ON messages (created_at, id) WHERE resent_as IS NOT NULL
";

const DOWN: &str = r"
DROP INDEX messages_account_state_created;
DROP INDEX messages_failure_class;
DROP INDEX messages_resent
";
