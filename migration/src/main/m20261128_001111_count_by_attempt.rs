//! Adds the time at which statistics count a message: that of its first attempt, if it is in
//! another quarter hour than its acceptance.

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

// Most messages are attempted at once, so the index is small.
const UP: &str = r"
ALTER TABLE messages ADD COLUMN counted_at {instant};
CREATE INDEX messages_counted ON messages (counted_at, id) WHERE counted_at IS NOT NULL
";

const DOWN: &str = r"
DROP INDEX messages_counted;
ALTER TABLE messages DROP COLUMN counted_at
";
