//! Adds the token in the public URL of an uploaded file.

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
ALTER TABLE messages ADD COLUMN media_token {text};
CREATE UNIQUE INDEX messages_by_media_token ON messages (media_token) WHERE media_token IS NOT NULL
";

const DOWN: &str = r"
DROP INDEX messages_by_media_token;
ALTER TABLE messages DROP COLUMN media_token
";
