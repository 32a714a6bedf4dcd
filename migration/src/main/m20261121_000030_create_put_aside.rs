//! Creates dismissed problems, so that those without a solution can leave the list.

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
CREATE TABLE put_aside (
    subject {id} NOT NULL PRIMARY KEY,
    facts integer NOT NULL,
    put_at {instant} NOT NULL
)
";

const DOWN: &str = "DROP TABLE put_aside";
