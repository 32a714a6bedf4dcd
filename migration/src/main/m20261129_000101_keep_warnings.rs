//! Creates the warnings with which messages were accepted, as JSON, for their pages. Before, they
//! were only kept with idempotency keys.

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
CREATE TABLE message_warnings (
    message {id} NOT NULL PRIMARY KEY,
    warnings {text} NOT NULL
);
INSERT INTO message_warnings (message, warnings)
SELECT message, MAX(warnings) FROM idempotency_keys
WHERE warnings IS NOT NULL AND warnings <> '[]'
GROUP BY message
";

const DOWN: &str = "DROP TABLE message_warnings";
