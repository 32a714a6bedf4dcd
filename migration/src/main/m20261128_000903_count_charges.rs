//! Adds the properties that determine the charge of a delivered message: type and currency of the
//! price, and how many recipients it reached. Creates counts of charges per quarter hour, and
//! counts messages by campaign.

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

/// The counts of charges need the country of a phone number, so the program fills them.
const UP: &str = r"
ALTER TABLE messages ADD COLUMN pricing_type {text};
ALTER TABLE messages ADD COLUMN price_currency {text};
ALTER TABLE messages ADD COLUMN deliveries {instant} NOT NULL DEFAULT 0;
UPDATE messages SET deliveries = 1 WHERE state IN ('delivered', 'read', 'played');
CREATE TABLE charge_counts (
    bucket {instant} NOT NULL,
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
    PRIMARY KEY (bucket, account, kind, campaign, sender, country, category, pricing_type, free, price, currency)
);
CREATE INDEX charge_counts_by_campaign ON charge_counts (campaign, bucket) WHERE campaign <> '';
CREATE TABLE counts_with_campaigns (
    bucket {instant} NOT NULL,
    account {text} NOT NULL,
    kind {text} NOT NULL,
    origin {text} NOT NULL,
    state {text} NOT NULL,
    code {text} NOT NULL,
    class {text} NOT NULL,
    campaign {text} NOT NULL DEFAULT '',
    messages {instant} NOT NULL,
    PRIMARY KEY (bucket, account, kind, origin, state, code, class, campaign)
);
INSERT INTO counts_with_campaigns (bucket, account, kind, origin, state, code, class, campaign, messages)
    SELECT bucket, account, kind, origin, state, code, class, '', messages FROM message_counts;
DROP TABLE message_counts;
ALTER TABLE counts_with_campaigns RENAME TO message_counts
";

const DOWN: &str = r"
CREATE TABLE counts_without_campaigns (
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
INSERT INTO counts_without_campaigns (bucket, account, kind, origin, state, code, class, messages)
    SELECT bucket, account, kind, origin, state, code, class, SUM(messages) FROM message_counts
    GROUP BY bucket, account, kind, origin, state, code, class;
DROP TABLE message_counts;
ALTER TABLE counts_without_campaigns RENAME TO message_counts;
DROP TABLE charge_counts;
DELETE FROM settings WHERE name = 'charges_counted';
ALTER TABLE messages DROP COLUMN deliveries;
ALTER TABLE messages DROP COLUMN price_currency;
ALTER TABLE messages DROP COLUMN pricing_type
";
