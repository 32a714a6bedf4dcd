//! Adds account and message to the index by provider id, so that callbacks need not read the row.

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
CREATE INDEX provider_ids_holder ON provider_ids (provider_id, account, message);
DROP INDEX provider_ids_id
";

const DOWN: &str =
    "CREATE INDEX provider_ids_id ON provider_ids (provider_id); DROP INDEX provider_ids_holder";
