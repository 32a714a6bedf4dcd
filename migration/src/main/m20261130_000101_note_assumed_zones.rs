//! Adds whether the reported time of a receipt had no zone. Existing receipts count as having one.

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

const UP: &str = "ALTER TABLE receipts ADD COLUMN zone_assumed {flag}";

const DOWN: &str = "ALTER TABLE receipts DROP COLUMN zone_assumed";
