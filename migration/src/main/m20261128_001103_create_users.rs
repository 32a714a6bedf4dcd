//! Creates users and their sessions. Adds the expiry and the accounts of tokens, and IP addresses
//! in the audit log.

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
CREATE TABLE users (
    id {id} NOT NULL PRIMARY KEY,
    email {text} NOT NULL UNIQUE,
    role {text} NOT NULL,
    password_hash {text},
    created_at {instant} NOT NULL,
    disabled_at {instant},
    last_sign_in_at {instant}
);
CREATE TABLE sessions (
    id {id} NOT NULL PRIMARY KEY,
    hash {bytes} NOT NULL UNIQUE,
    user_id {id} NOT NULL,
    started_at {instant} NOT NULL,
    used_at {instant} NOT NULL,
    address {text},
    browser {text}
);
CREATE INDEX sessions_user ON sessions (user_id, used_at);
CREATE INDEX sessions_used ON sessions (used_at);
ALTER TABLE sign_in_links ADD COLUMN user_id {id};
ALTER TABLE tokens ADD COLUMN expires_at {instant};
ALTER TABLE tokens ADD COLUMN accounts {text};
ALTER TABLE actions ADD COLUMN address {text};
DROP INDEX actions_happened;
CREATE INDEX actions_happened ON actions (happened_at, id);
CREATE INDEX actions_actor ON actions (actor, happened_at, id);
CREATE INDEX actions_account ON actions (account, happened_at, id)
";

const DOWN: &str = r"
DROP INDEX actions_account;
DROP INDEX actions_actor;
DROP INDEX actions_happened;
CREATE INDEX actions_happened ON actions (happened_at);
ALTER TABLE actions DROP COLUMN address;
ALTER TABLE tokens DROP COLUMN accounts;
ALTER TABLE tokens DROP COLUMN expires_at;
ALTER TABLE sign_in_links DROP COLUMN user_id;
DROP TABLE sessions;
DROP TABLE users
";
