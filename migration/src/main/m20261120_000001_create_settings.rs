//! Creates properties of the database itself (key fingerprint, journal identity, reconcile
//! position), and leases.

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
CREATE TABLE settings (
    name {text} NOT NULL PRIMARY KEY,
    value {text} NOT NULL
);
CREATE TABLE leases (
    name {text} NOT NULL PRIMARY KEY,
    holder {id} NOT NULL,
    expires_at {instant} NOT NULL
)
";

const DOWN: &str = "DROP TABLE leases; DROP TABLE settings";
