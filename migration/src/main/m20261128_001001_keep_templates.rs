//! Adds the template of a message and the values of its variables.

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
ALTER TABLE messages ADD COLUMN template_name {text};
ALTER TABLE messages ADD COLUMN template_language {text};
ALTER TABLE messages ADD COLUMN template_values {text}
";

const DOWN: &str = r"
ALTER TABLE messages DROP COLUMN template_name;
ALTER TABLE messages DROP COLUMN template_language;
ALTER TABLE messages DROP COLUMN template_values
";
