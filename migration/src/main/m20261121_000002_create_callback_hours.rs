//! Creates `callback_hours`: callbacks and bytes per account and hour.

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
CREATE TABLE callback_hours (
    hour {instant} NOT NULL,
    account {text} NOT NULL,
    callbacks bigint NOT NULL,
    bytes bigint NOT NULL,
    PRIMARY KEY (hour, account)
)
";

const DOWN: &str = "DROP TABLE callback_hours";
