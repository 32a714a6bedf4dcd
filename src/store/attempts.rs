//! Every exchange with a provider, redacted at write time.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::db::{Error, instant};
use crate::domain::attempt_outcome::AttemptOutcome;
use crate::domain::ids::{AttemptId, MessageId};
use crate::store::Store;
use crate::store::entities::attempts::{Column, Entity, Model};

/// One exchange, as the message page shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// Its id.
    pub id: AttemptId,
    /// The message.
    pub message: MessageId,
    /// Counted from 1.
    pub number: i32,
    /// Before the first byte.
    pub started_at: DateTime<Utc>,
    /// After the answer; absent while it runs or after a crash.
    pub finished_at: Option<DateTime<Utc>>,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// The HTTP status, if there was an answer.
    pub http_status: Option<u16>,
    /// From the first byte to the end of the answer.
    pub duration_ms: Option<i64>,
    /// Method, address, headers and body, secrets as `…`.
    pub request: String,
    /// Headers that matter and the body, secrets as `…`.
    pub reply: Option<String>,
    /// In words.
    pub detail: Option<String>,
}

impl Store {
    /// Every exchange about a message, oldest first.
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
