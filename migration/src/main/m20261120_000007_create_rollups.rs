//! Creates message counts and latency histograms per quarter hour, updated with every change.

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
CREATE TABLE message_counts (
    bucket {instant} NOT NULL,
    account {text} NOT NULL,
    kind {text} NOT NULL,
    origin {text} NOT NULL,
    state {text} NOT NULL,
    code {text} NOT NULL,
    class {text} NOT NULL,
    messages {instant} NOT NULL,
    PRIMARY KEY (bucket, account, kind, origin, state, code, class)
);
CREATE TABLE latency_counts (
    bucket {instant} NOT NULL,
    account {text} NOT NULL,
    kind {text} NOT NULL,
    stage {text} NOT NULL,
    latency {instant} NOT NULL,
    messages {instant} NOT NULL,
    PRIMARY KEY (bucket, account, kind, stage, latency)
)
";

const DOWN: &str = "DROP TABLE latency_counts; DROP TABLE message_counts";
