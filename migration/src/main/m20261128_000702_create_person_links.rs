//! Creates the links between the ids of one person.

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
CREATE TABLE person_links (
    account {text} NOT NULL,
    identity {text} NOT NULL,
    other {text} NOT NULL,
    kind {text} NOT NULL,
    first_at {instant} NOT NULL,
    last_at {instant} NOT NULL,
    PRIMARY KEY (account, identity, other, kind)
);
CREATE INDEX person_links_by_identity ON person_links (identity);
CREATE INDEX person_links_by_other ON person_links (other);
CREATE INDEX person_links_by_last ON person_links (last_at)
";

const DOWN: &str = "DROP TABLE person_links";
