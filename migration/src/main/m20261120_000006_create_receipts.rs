//! Creates receipts, and the outcome of each callback.

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
CREATE TABLE receipts (
    source {id} NOT NULL,
    part integer NOT NULL,
    source_kind {text} NOT NULL,
    message {id} NOT NULL,
    fact {text} NOT NULL,
    stage {text},
    code {text},
    title {text},
    detail {text},
    failure_key {text},
    word {text},
    occurred_at {instant},
    received_at {instant} NOT NULL,
    recipient {text},
    billable {flag},
    pricing_category {text},
    pricing_model {text},
    price {text},
    PRIMARY KEY (source, part)
);
CREATE INDEX receipts_message ON receipts (message);
CREATE TABLE callback_outcomes (
    callback {id} NOT NULL PRIMARY KEY,
    seq {instant} NOT NULL,
    account {text} NOT NULL,
    received_at {instant} NOT NULL,
    outcome {text} NOT NULL,
    detail {text}
);
CREATE INDEX callback_outcomes_seq ON callback_outcomes (seq);
CREATE INDEX callback_outcomes_outcome ON callback_outcomes (outcome, seq);
CREATE TABLE quarantine (
    callback {id} NOT NULL,
    part integer NOT NULL,
    account {text} NOT NULL,
    reason {text} NOT NULL,
    content {bytes} NOT NULL,
    quarantined_at {instant} NOT NULL,
    PRIMARY KEY (callback, part)
)
";

const DOWN: &str = "DROP TABLE quarantine; DROP TABLE callback_outcomes; DROP TABLE receipts";
