//! Adds the incident of a notification, so that its end is not delivered before its beginning.

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
ALTER TABLE alert_notifications ADD COLUMN incident {id};
CREATE INDEX alert_notifications_waiting ON alert_notifications (incident)
    WHERE next_try_at IS NOT NULL
";

const DOWN: &str = r"
DROP INDEX alert_notifications_waiting;
ALTER TABLE alert_notifications DROP COLUMN incident
";
