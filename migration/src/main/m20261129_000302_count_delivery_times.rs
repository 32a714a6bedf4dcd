//! Lets the program count the times from submission to delivery: without the marker of counted
//! charges, it counts all messages again.

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

const UP: &str = "DELETE FROM settings WHERE name = 'charges_counted'";

const DOWN: &str = r"
DELETE FROM latency_days WHERE stage = 'submitted_to_delivered';
DELETE FROM latency_counts WHERE stage = 'submitted_to_delivered'
";
