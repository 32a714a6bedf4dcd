//! Creates the list of callbacks that crashed the process, so that they are not processed again.

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
CREATE TABLE crashed_callbacks (
    callback {id} NOT NULL PRIMARY KEY,
    program_version {text} NOT NULL,
    crashed_at {instant} NOT NULL
)
";

const DOWN: &str = "DROP TABLE crashed_callbacks";
