//! Creates counts of processed journal entries and of callback outcomes, so that both can be
//! compared at any time.

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
CREATE TABLE callback_books (
    id bigint NOT NULL PRIMARY KEY,
    until_seq bigint NOT NULL,
    entries bigint NOT NULL,
    receipts bigint NOT NULL,
    inbound bigint NOT NULL,
    notice bigint NOT NULL,
    probe bigint NOT NULL,
    quarantined bigint NOT NULL,
    unverified bigint NOT NULL,
    messages_since {instant},
    messages bigint,
    message_counts bigint,
    checked_at {instant}
);
INSERT INTO callback_books (id, until_seq, entries, receipts, inbound, notice, probe, quarantined, unverified)
SELECT 1, COALESCE(MAX(seq), 0), COUNT(*),
    COUNT(CASE WHEN outcome = 'receipts' THEN 1 END),
    COUNT(CASE WHEN outcome = 'inbound' THEN 1 END),
    COUNT(CASE WHEN outcome = 'notice' THEN 1 END),
    COUNT(CASE WHEN outcome = 'probe' THEN 1 END),
    COUNT(CASE WHEN outcome = 'quarantined' THEN 1 END),
    COUNT(CASE WHEN outcome = 'unverified' THEN 1 END)
FROM callback_outcomes
";

const DOWN: &str = "DROP TABLE callback_books";
