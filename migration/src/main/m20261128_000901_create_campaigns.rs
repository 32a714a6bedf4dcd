//! Creates campaigns and their recipients, and the campaign of a message.

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
CREATE TABLE campaigns (
    id {text} NOT NULL PRIMARY KEY,
    name {text} NOT NULL,
    account {text} NOT NULL,
    kind {text} NOT NULL,
    sender {text},
    media_url {text},
    media_id {text},
    mime_type {text},
    caption {text},
    template {text},
    state {text} NOT NULL,
    send_at {instant},
    send_before {instant},
    send_within {instant},
    rate double precision,
    next_slot_at {instant},
    accepted bigint NOT NULL,
    duplicates bigint NOT NULL,
    rejected bigint NOT NULL,
    taken bigint NOT NULL,
    rejections {text},
    created_at {instant} NOT NULL,
    started_at {instant},
    finished_at {instant}
);
CREATE INDEX campaigns_created ON campaigns (created_at, id);
CREATE INDEX campaigns_state ON campaigns (state);
CREATE TABLE campaign_recipients (
    campaign {text} NOT NULL,
    position bigint NOT NULL,
    row_key {text} NOT NULL,
    content {text},
    message {id},
    rejection {text},
    PRIMARY KEY (campaign, position)
);
CREATE UNIQUE INDEX campaign_recipients_key ON campaign_recipients (campaign, row_key);
CREATE INDEX campaign_recipients_waiting ON campaign_recipients (campaign, position) WHERE content IS NOT NULL;
ALTER TABLE messages ADD COLUMN campaign {text};
CREATE INDEX messages_campaign ON messages (campaign, created_at, id) WHERE campaign IS NOT NULL;
CREATE INDEX messages_campaign_state ON messages (campaign, state) WHERE campaign IS NOT NULL
";

const DOWN: &str = r"
DROP INDEX messages_campaign_state;
DROP INDEX messages_campaign;
ALTER TABLE messages DROP COLUMN campaign;
DROP TABLE campaign_recipients;
DROP TABLE campaigns
";
