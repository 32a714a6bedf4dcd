//! Creates customer-service windows: when each customer last wrote to an account.

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
CREATE TABLE windows (
    account {text} NOT NULL,
    phone {text} NOT NULL,
    last_inbound_at {instant} NOT NULL,
    PRIMARY KEY (account, phone)
)
";

const DOWN: &str = "DROP TABLE windows";
