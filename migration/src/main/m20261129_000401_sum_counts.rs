//! Creates sums of counts by hour and by day in UTC, from which those of long periods are computed
//! in any zone. A latency histogram, also of a quarter hour, becomes one text: `latency:messages `
//! for each bucket.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, CREATE).await?;
        let joined = match manager.get_database_backend() {
            DbBackend::Postgres => "string_agg",
            _ => "group_concat",
        };
        for width in ["3600000", "86400000"] {
            dialect::run(manager, &FILL.replace("{width}", width)).await?;
        }
        for width in ["900000", "3600000", "86400000"] {
            let fill = FILL_LATENCIES.replace("{width}", width);
            dialect::run(manager, &fill.replace("{joined}", joined)).await?;
        }
        dialect::run(manager, "DROP TABLE latency_days").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, DOWN).await
    }
}

const CREATE: &str = r"
CREATE TABLE message_sums (
    width {instant} NOT NULL,
    start {instant} NOT NULL,
    account {text} NOT NULL,
    kind {text} NOT NULL,
    origin {text} NOT NULL,
    state {text} NOT NULL,
    code {text} NOT NULL,
    class {text} NOT NULL,
    campaign {text} NOT NULL,
    messages {instant} NOT NULL,
    PRIMARY KEY (width, start, account, kind, origin, state, code, class, campaign)
);
CREATE TABLE charge_sums (
    width {instant} NOT NULL,
    start {instant} NOT NULL,
    account {text} NOT NULL,
    kind {text} NOT NULL,
    campaign {text} NOT NULL,
    sender {text} NOT NULL,
    country {text} NOT NULL,
    category {text} NOT NULL,
    pricing_type {text} NOT NULL,
    free {flag} NOT NULL,
    price {text} NOT NULL,
    currency {text} NOT NULL,
    deliveries {instant} NOT NULL,
    PRIMARY KEY (width, start, account, kind, campaign, sender, country, category, pricing_type, free, price, currency)
);
CREATE TABLE latency_sums (
    width {instant} NOT NULL,
    start {instant} NOT NULL,
    account {text} NOT NULL,
    kind {text} NOT NULL,
    stage {text} NOT NULL,
    histogram {text} NOT NULL,
    PRIMARY KEY (width, start, account, kind, stage)
)
";

const FILL: &str = r"
INSERT INTO message_sums (width, start, account, kind, origin, state, code, class, campaign, messages)
    SELECT {width}, bucket / {width} * {width}, account, kind, origin, state, code, class, campaign, SUM(messages)
    FROM message_counts GROUP BY 2, account, kind, origin, state, code, class, campaign;
INSERT INTO charge_sums (width, start, account, kind, campaign, sender, country, category, pricing_type, free, price, currency, deliveries)
    SELECT {width}, bucket / {width} * {width}, account, kind, campaign, sender, country, category, pricing_type, free, price, currency, SUM(deliveries)
    FROM charge_counts GROUP BY 2, account, kind, campaign, sender, country, category, pricing_type, free, price, currency
";

const FILL_LATENCIES: &str = r"
INSERT INTO latency_sums (width, start, account, kind, stage, histogram)
    SELECT {width}, start, account, kind, stage, {joined}(CAST(latency AS text) || ':' || CAST(messages AS text) || ' ', '' ORDER BY latency)
    FROM (
        SELECT bucket / {width} * {width} AS start, account, kind, stage, latency, SUM(messages) AS messages
        FROM latency_counts GROUP BY 1, account, kind, stage, latency HAVING SUM(messages) <> 0
    ) AS summed
    GROUP BY start, account, kind, stage
";

const DOWN: &str = r"
DROP TABLE latency_sums;
DROP TABLE charge_sums;
DROP TABLE message_sums;
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
