//! Creates sums of latencies by day in UTC, from which those of long periods are computed.

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
        dialect::run(manager, "DROP TABLE latency_days").await
    }
}

const UP: &str = r"
CREATE TABLE latency_days (
    day {instant} NOT NULL,
    account {text} NOT NULL,
    kind {text} NOT NULL,
    stage {text} NOT NULL,
    latency {instant} NOT NULL,
    messages {instant} NOT NULL,
    PRIMARY KEY (day, account, kind, stage, latency)
);
INSERT INTO latency_days (day, account, kind, stage, latency, messages)
    SELECT bucket / 86400000 * 86400000, account, kind, stage, latency, SUM(messages) FROM latency_counts
    GROUP BY 1, account, kind, stage, latency
";
