//! Every exchange with a provider, redacted at write time.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::db::{Error, instant};
use crate::domain::attempt_outcome::AttemptOutcome;
use crate::domain::ids::{AttemptId, MessageId};
use crate::store::Store;
use crate::store::entities::attempt_row::{Column, Entity, Model};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    pub id: AttemptId,
    pub message: MessageId,
    /// From 1.
    pub number: i32,
    /// Before the first byte was sent.
    pub started_at: DateTime<Utc>,
    /// After the reply; absent while it runs or after a crash.
    pub finished_at: Option<DateTime<Utc>>,
    pub outcome: AttemptOutcome,
    /// Absent without a reply.
    pub http_status: Option<u16>,
    /// From the first byte to the end of the reply.
    pub duration_ms: Option<i64>,
    /// Method, address, headers and body, with secrets as `…`.
    pub request: String,
    /// Selected headers and the body, with secrets as `…`.
    pub reply: Option<String>,
    /// Shown to operators.
    pub detail: Option<String>,
}

impl Store {
    /// Oldest first.
    pub async fn list_attempts(&self, message: MessageId) -> Result<Vec<Attempt>, Error> {
        let rows = Entity::find()
            .filter(Column::Message.eq(message.uuid()))
            .order_by_asc(Column::Number)
            .all(self.pools().reader())
            .await?;
        rows.into_iter().map(Attempt::try_from).collect()
    }
}

impl TryFrom<Model> for Attempt {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        Ok(Self {
            id: row.id.into(),
            message: row.message.into(),
            number: row.number,
            started_at: instant::read("attempts", "started_at", row.started_at)?,
            finished_at: instant::read_optional("attempts", "finished_at", row.finished_at)?,
            outcome: row.outcome,
            http_status: row
                .http_status
                .and_then(|status| u16::try_from(status).ok()),
            duration_ms: row.duration_ms,
            request: row.request,
            reply: row.reply,
            detail: row.detail,
        })
    }
}
