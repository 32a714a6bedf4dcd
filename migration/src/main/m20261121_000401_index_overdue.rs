//! Indexes messages with a due time in list order, so that the list of overdue messages does not
//! scan the others.

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

const UP: &str =
    "CREATE INDEX messages_overdue ON messages (created_at, id, due_at) WHERE due_at IS NOT NULL";

const DOWN: &str = "DROP INDEX messages_overdue";
