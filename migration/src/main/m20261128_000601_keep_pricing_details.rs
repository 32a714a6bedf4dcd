//! Adds the type of a price, its currency, and the provider's whole pricing object.

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
ALTER TABLE receipts ADD COLUMN pricing_type {text};
ALTER TABLE receipts ADD COLUMN pricing_currency {text};
ALTER TABLE receipts ADD COLUMN pricing_raw {text}
";

const DOWN: &str = r"
ALTER TABLE receipts DROP COLUMN pricing_type;
ALTER TABLE receipts DROP COLUMN pricing_currency;
ALTER TABLE receipts DROP COLUMN pricing_raw
";
