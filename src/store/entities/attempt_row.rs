//! Row of `attempts`. One submission of a message: its first request and its last reply.

use sea_orm::entity::prelude::*;

use crate::domain::attempt_outcome::AttemptOutcome;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "attempts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub message: Uuid,
    pub number: i32,
    pub started_at: i64,
    /// The last journal `seq` processed before it began.
    pub journal_position: i64,
    pub finished_at: Option<i64>,
    pub outcome: AttemptOutcome,
    pub http_status: Option<i32>,
    pub duration_ms: Option<i64>,
    pub request: String,
    pub reply: Option<String>,
    pub detail: Option<String>,
}

without_relations!();
