//! Adds the warnings of the first reply to a request with an idempotency key, as JSON, so that a
//! repeated request gets them again. Absent for keys of earlier versions.

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

const UP: &str = "ALTER TABLE idempotency_keys ADD COLUMN warnings {text}";

const DOWN: &str = "ALTER TABLE idempotency_keys DROP COLUMN warnings";
