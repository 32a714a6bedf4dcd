//! Creates incidents of alerts, and the notifications about them.

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
CREATE TABLE alert_incidents (
    id {id} NOT NULL PRIMARY KEY,
    rule {text} NOT NULL,
    kind {text} NOT NULL,
    account {text} NOT NULL,
    summary {text} NOT NULL,
    opened_at {instant} NOT NULL,
    closed_at {instant}
);
CREATE UNIQUE INDEX alert_incidents_open ON alert_incidents (rule, account)
    WHERE closed_at IS NULL;
CREATE INDEX alert_incidents_opened ON alert_incidents (opened_at, id);
CREATE TABLE alert_notifications (
    id {id} NOT NULL PRIMARY KEY,
    rule {text} NOT NULL,
    body {text} NOT NULL,
    created_at {instant} NOT NULL,
    tries {instant} NOT NULL,
    next_try_at {instant},
    delivered_at {instant},
    last_error {text}
);
CREATE INDEX alert_notifications_due ON alert_notifications (next_try_at)
    WHERE next_try_at IS NOT NULL;
CREATE INDEX alert_notifications_created ON alert_notifications (created_at)
";

const DOWN: &str = r"
DROP TABLE alert_notifications;
DROP TABLE alert_incidents
";
