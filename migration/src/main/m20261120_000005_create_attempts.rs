//! Creates attempts: each HTTP exchange with a provider, redacted.

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
CREATE TABLE attempts (
    id {id} NOT NULL PRIMARY KEY,
    message {id} NOT NULL,
    number integer NOT NULL,
    started_at {instant} NOT NULL,
    finished_at {instant},
    outcome {text} NOT NULL,
    http_status integer,
    duration_ms {instant},
    request {text} NOT NULL,
    reply {text},
    detail {text}
);
CREATE INDEX attempts_message ON attempts (message, number)
";

const DOWN: &str = "DROP TABLE attempts";
