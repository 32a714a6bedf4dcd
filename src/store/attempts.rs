//! Every exchange with a provider, redacted at write time.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};

use crate::db::{Error, instant};
use crate::domain::attempt_outcome::AttemptOutcome;
use crate::domain::ids::{AttemptId, MessageId};
use crate::domain::message_warning::{MessageWarning, WarningCode};
use crate::store::entities::attempt_row::{ActiveModel, Column, Entity, Model};
use crate::store::ledger::message_ledger::Ledger;
use crate::store::{Store, store_settings};

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

impl Attempt {
    /// What is odd about a reply that accepted the message.
    pub fn warning(&self) -> Option<MessageWarning> {
        self.detail
            .as_deref()
            .filter(|_| self.outcome == AttemptOutcome::Accepted)
            .map(|detail| MessageWarning::new(WarningCode::UnusualReply, detail))
    }
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

/// The end of an attempt.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub outcome: AttemptOutcome,
    /// Absent without a reply.
    pub http_status: Option<u16>,
    pub duration_ms: i64,
    /// Redacted.
    pub reply: Option<String>,
    /// Shown to operators.
    pub detail: Option<String>,
}

impl Ledger {
    /// Records an attempt before its first byte is sent.
    pub(super) async fn start_attempt(
        &self,
        message: MessageId,
        number: i32,
        attempt: AttemptId,
        request: String,
    ) -> Result<(), Error> {
        let row = Model {
            id: attempt.uuid(),
            message: message.uuid(),
            number,
            started_at: instant::to_millis(self.now()),
            journal_position: store_settings::position(self.transaction()).await?,
            finished_at: None,
            outcome: AttemptOutcome::Started,
            http_status: None,
            duration_ms: None,
            request,
            reply: None,
            detail: None,
        };
        Entity::insert(row.into_active_model())
            .exec_without_returning(self.transaction())
            .await?;
        Ok(())
    }

    /// Records the outcome of an attempt.
    pub async fn finish_attempt(
        &mut self,
        attempt: AttemptId,
        exchange: Exchange,
    ) -> Result<(), Error> {
        let end = ActiveModel {
            finished_at: Set(Some(instant::to_millis(self.now()))),
            outcome: Set(exchange.outcome),
            http_status: Set(exchange.http_status.map(i32::from)),
            duration_ms: Set(Some(exchange.duration_ms)),
            reply: Set(exchange.reply),
            detail: Set(exchange.detail),
            ..ActiveModel::default()
        };
        let touched = Entity::update_many()
            .set(end)
            .filter(Column::Id.eq(attempt.uuid()))
            .exec(self.transaction())
            .await?
            .rows_affected;
        if touched == 1 {
            Ok(())
        } else {
            Err(Error::UnexpectedRowCount {
                table: "attempts",
                expected: 1,
                touched,
            })
        }
    }

    /// The attempt of a message that was started and has no outcome.
    pub async fn find_open_attempt(&self, id: MessageId) -> Result<Option<AttemptId>, Error> {
        let row = Entity::find()
            .filter(Column::Message.eq(id.uuid()))
            .filter(Column::FinishedAt.is_null())
            .order_by_desc(Column::Number)
            .one(self.transaction())
            .await?;
        Ok(row.map(|row| row.id.into()))
    }
}

impl TryFrom<Model> for Attempt {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        Ok(Self {
            id: row.id.into(),
            message: row.message.into(),
            number: row.number,
            started_at: instant::from_millis("attempts", "started_at", row.started_at)?,
            finished_at: instant::from_optional_millis("attempts", "finished_at", row.finished_at)?,
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
