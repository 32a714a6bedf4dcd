//! Creates accounts, kept after they leave the configuration, so that their callback URLs stay
//! valid.

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
CREATE TABLE accounts (
    id {text} NOT NULL PRIMARY KEY,
    provider {text} NOT NULL,
    generation integer NOT NULL,
    paused_at {instant},
    pause_reason {text},
    last_callback_at {instant},
    old_address_at {instant},
    last_inbound_at {instant},
    first_seen_at {instant} NOT NULL
)
";

const DOWN: &str = "DROP TABLE accounts";
