//! Indexes ids learned from callbacks by time, and adds the source of conflicting claims. The names
//! of this migration and its indexes are kept since they were released.

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

/// Existing rows did not record their source. They default to `reply`, because a replay never
/// retracts those.
const UP: &str = r"
CREATE INDEX provider_ids_taught ON provider_ids (account, learned_at) WHERE learned_from = 'callback';
ALTER TABLE id_conflicts ADD COLUMN learned_from {text} NOT NULL DEFAULT 'reply';
CREATE INDEX id_conflicts_taught ON id_conflicts (account, seen_at) WHERE learned_from = 'callback'
";

const DOWN: &str = "DROP INDEX id_conflicts_taught; ALTER TABLE id_conflicts DROP COLUMN learned_from; DROP INDEX provider_ids_taught";
