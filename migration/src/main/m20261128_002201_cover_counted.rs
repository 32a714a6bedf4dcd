//! Adds the creation time to the index of messages that waited for their first attempt, so that the
//! list of a period finds those of an earlier day without reading the others.

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
DROP INDEX messages_counted;
CREATE INDEX messages_counted ON messages (counted_at, id, created_at) WHERE counted_at IS NOT NULL
";

const DOWN: &str = r"
DROP INDEX messages_counted;
CREATE INDEX messages_counted ON messages (counted_at, id) WHERE counted_at IS NOT NULL
";
