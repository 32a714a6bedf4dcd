//! Adds when callbacks last came to an account's URL with white space or a doubled slash in it.

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
ALTER TABLE accounts ADD COLUMN url_space_at {instant};
ALTER TABLE accounts ADD COLUMN url_slash_at {instant}
";

const DOWN: &str = r"
ALTER TABLE accounts DROP COLUMN url_space_at;
ALTER TABLE accounts DROP COLUMN url_slash_at
";
