//! Adds indexes for lists of messages by sender, origin or kind, which few or most messages may
//! have, and by the last change within a state.

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

// The state changes when the message does, so an update costs as much as without the state.
const UP: &str = r"
CREATE INDEX messages_sender_created ON messages (sender, created_at, id) WHERE sender IS NOT NULL;
CREATE INDEX messages_origin_created ON messages (origin, created_at, id) WHERE origin <> 'api';
CREATE INDEX messages_kind_created ON messages (kind, created_at, id) WHERE kind IS NOT NULL;
CREATE INDEX messages_state_updated ON messages (state, updated_at, id);
DROP INDEX messages_updated
";

const DOWN: &str = r"
CREATE INDEX messages_updated ON messages (updated_at, id);
DROP INDEX messages_state_updated;
DROP INDEX messages_kind_created;
DROP INDEX messages_origin_created;
DROP INDEX messages_sender_created
";
