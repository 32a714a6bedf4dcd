//! Creates the ids that providers use for messages, and conflicting claims on them.

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
CREATE TABLE provider_ids (
    account {text} NOT NULL,
    provider_id {text} NOT NULL,
    message {id} NOT NULL,
    learned_from {text} NOT NULL,
    learned_at {instant} NOT NULL,
    PRIMARY KEY (account, provider_id)
);
CREATE INDEX provider_ids_message ON provider_ids (message);
CREATE INDEX provider_ids_id ON provider_ids (provider_id);
CREATE TABLE id_conflicts (
    account {text} NOT NULL,
    provider_id {text} NOT NULL,
    message {id} NOT NULL,
    claimant {id} NOT NULL,
    seen_at {instant} NOT NULL,
    PRIMARY KEY (account, provider_id, claimant)
);
CREATE INDEX id_conflicts_message ON id_conflicts (message);
CREATE INDEX id_conflicts_claimant ON id_conflicts (claimant)
";

const DOWN: &str = "DROP TABLE id_conflicts; DROP TABLE provider_ids";
