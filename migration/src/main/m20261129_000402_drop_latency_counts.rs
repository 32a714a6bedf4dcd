//! Drops `latency_counts`: the histograms of quarter hours in `latency_sums` hold the same data in
//! far fewer rows.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, "DROP TABLE latency_counts").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let steps = match manager.get_database_backend() {
            DbBackend::Postgres => "json_each_text({json}::json)",
            _ => "json_each({json})",
        };
        let fill = FILL
            .replace("{steps}", steps)
            .replace("{json}", HISTOGRAM_AS_JSON);
        dialect::run(manager, CREATE).await?;
        dialect::run(manager, &fill).await
    }
}

/// `12:3 14:1 ` as `{"12":3,"14":1}`.
const HISTOGRAM_AS_JSON: &str =
    r#"('{"' || replace(replace(trim(histogram), ' ', ',"'), ':', '":') || '}')"#;

const CREATE: &str = r"
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

const FILL: &str = r"
INSERT INTO latency_counts (bucket, account, kind, stage, latency, messages)
    SELECT start, account, kind, stage, CAST(step.key AS {instant}), CAST(step.value AS {instant})
    FROM latency_sums, {steps} AS step WHERE width = 900000 AND trim(histogram) <> ''
";
