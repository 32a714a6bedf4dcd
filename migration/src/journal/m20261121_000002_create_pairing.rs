//! Creates the mark that reveals a main database older than its journal.

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
CREATE TABLE journal_pairing (
    one integer NOT NULL PRIMARY KEY CHECK (one = 1),
    mark {id} NOT NULL
)
";

const DOWN: &str = "DROP TABLE journal_pairing";
