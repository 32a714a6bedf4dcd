//! Creates API tokens, sign-in links and the log of operator actions.

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
CREATE TABLE tokens (
    id {id} NOT NULL PRIMARY KEY,
    name {text} NOT NULL,
    hash {bytes} NOT NULL UNIQUE,
    scopes {text} NOT NULL,
    created_at {instant} NOT NULL,
    revoked_at {instant},
    last_used_at {instant}
);
CREATE TABLE sign_in_links (
    hash {bytes} NOT NULL PRIMARY KEY,
    created_at {instant} NOT NULL,
    expires_at {instant} NOT NULL,
    used_at {instant}
);
CREATE TABLE actions (
    id {id} NOT NULL PRIMARY KEY,
    message {id},
    account {text},
    actor {text} NOT NULL,
    verb {text} NOT NULL,
    detail {text},
    happened_at {instant} NOT NULL
);
CREATE INDEX actions_message ON actions (message, happened_at);
CREATE INDEX actions_happened ON actions (happened_at);
CREATE INDEX actions_verb ON actions (verb, happened_at)
";

const DOWN: &str = "DROP TABLE actions; DROP TABLE sign_in_links; DROP TABLE tokens";
