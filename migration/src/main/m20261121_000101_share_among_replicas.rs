//! Creates what several processes on one database share: changes for the live feed, uploaded files,
//! and when each account may send next.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let rising = match manager.get_database_backend() {
            DbBackend::Postgres => "bigserial PRIMARY KEY",
            _ => "integer PRIMARY KEY AUTOINCREMENT",
        };
        dialect::run(manager, &UP.replace("{rising}", rising)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, DOWN).await
    }
}

const UP: &str = r"
CREATE TABLE changes (
    seq {rising},
    writer {id} NOT NULL,
    message {id} NOT NULL,
    account {text} NOT NULL,
    state {text} NOT NULL,
    updated_at {instant} NOT NULL
);
CREATE TABLE uploads (
    message {id} NOT NULL PRIMARY KEY,
    content {bytes} NOT NULL,
    created_at {instant} NOT NULL
);
ALTER TABLE accounts ADD COLUMN next_send_at {instant}
";

const DOWN: &str =
    "ALTER TABLE accounts DROP COLUMN next_send_at; DROP TABLE uploads; DROP TABLE changes";
