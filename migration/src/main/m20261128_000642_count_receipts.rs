//! Adds counts of receipts, new orphans and adoptions per account and hour.

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
ALTER TABLE callback_hours ADD COLUMN receipts bigint NOT NULL DEFAULT 0;
ALTER TABLE callback_hours ADD COLUMN orphans bigint NOT NULL DEFAULT 0;
ALTER TABLE callback_hours ADD COLUMN adopted bigint NOT NULL DEFAULT 0
";

const DOWN: &str = r"
ALTER TABLE callback_hours DROP COLUMN receipts;
ALTER TABLE callback_hours DROP COLUMN orphans;
ALTER TABLE callback_hours DROP COLUMN adopted
";
