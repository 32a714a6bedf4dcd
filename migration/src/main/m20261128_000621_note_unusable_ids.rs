//! Adds whether an id is certain, the constant text that an account's callbacks have instead of
//! ids, when ids were longer than documented, and an index of ids that several messages share.

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

/// For existing rows it is not known whether the id came with a report URL or a tag, so they are
/// not certain until the next such callback.
const UP: &str = r"
ALTER TABLE provider_ids ADD COLUMN certain {flag} NOT NULL DEFAULT false;
ALTER TABLE id_conflicts ADD COLUMN certain {flag} NOT NULL DEFAULT false;
DROP INDEX provider_ids_holder;
CREATE INDEX provider_ids_holder ON provider_ids (provider_id, account, message, certain);
ALTER TABLE accounts ADD COLUMN constant_id {text};
ALTER TABLE accounts ADD COLUMN constant_id_at {instant};
ALTER TABLE accounts ADD COLUMN long_id_at {instant};
CREATE INDEX provider_ids_constant ON provider_ids (learned_at) WHERE learned_from = 'constant'
";

const DOWN: &str = r"
DROP INDEX provider_ids_constant;
DELETE FROM provider_ids WHERE learned_from = 'constant';
DROP INDEX provider_ids_holder;
CREATE INDEX provider_ids_holder ON provider_ids (provider_id, account, message);
ALTER TABLE id_conflicts DROP COLUMN certain;
ALTER TABLE provider_ids DROP COLUMN certain;
ALTER TABLE accounts DROP COLUMN long_id_at;
ALTER TABLE accounts DROP COLUMN constant_id_at;
ALTER TABLE accounts DROP COLUMN constant_id
";
