//! Creates the events of accounts: quality, limits, templates, restrictions.

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
CREATE TABLE account_events (
    callback {id} NOT NULL,
    part integer NOT NULL,
    account {text} NOT NULL,
    happened_at {instant} NOT NULL,
    kind {text} NOT NULL,
    title {text} NOT NULL,
    previous {text},
    current {text},
    template {text},
    sender {text},
    detail {text},
    PRIMARY KEY (callback, part)
);
CREATE INDEX account_events_by_account ON account_events (account, happened_at, callback, part)
";

const DOWN: &str = "DROP TABLE account_events";
