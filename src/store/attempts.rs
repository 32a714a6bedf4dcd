//! Every attempt with its request and reply, redacted at write time.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use crate::db::{Error, instant, statements};
use crate::domain::attempt_outcome::AttemptOutcome;
use crate::domain::ids::{AttemptId, MessageId};
use crate::domain::message_warning::{MessageWarning, WarningCode};
use crate::store::entities::attempt_row::{Column, Entity, Model};
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
    /// Method, URL, headers and body, with secrets as `…`.
    pub request: String,
    /// Selected headers and the body, with secrets as `…`.
    pub reply: Option<String>,
    /// Shown to operators.
    pub detail: Option<String>,
}

impl Attempt {
    /// What is unusual about a reply that accepted the message.
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

/// How an attempt ended; completes its row.
#[derive(Clone, Debug)]
pub struct AttemptRecord {
    pub outcome: AttemptOutcome,
    /// Absent without a reply.
    pub http_status: Option<u16>,
    pub duration_ms: i64,
    /// Redacted.
    pub reply: Option<String>,
    /// Shown to operators.
    pub detail: Option<String>,
}

impl AttemptRecord {
    /// For an attempt without a recorded reply: its outcome is unclear.
    pub fn without_reply(detail: &str) -> Self {
        Self {
            outcome: AttemptOutcome::Unclear,
            http_status: None,
            duration_ms: 0,
            reply: None,
            detail: Some(detail.to_owned()),
        }
    }
}

/// An attempt whose first byte is about to be sent.
#[derive(Clone, Debug)]
pub(super) struct StartedAttempt {
    pub(super) id: AttemptId,
    pub(super) message: MessageId,
    /// From 1.
    pub(super) number: u32,
    /// Redacted.
    pub(super) request: String,
}

impl Ledger {
    /// Records attempts before their first bytes are sent.
    pub(super) async fn start_attempts(&self, attempts: Vec<StartedAttempt>) -> Result<(), Error> {
        let journal_position = store_settings::position(self.transaction()).await?;
        let started_at = instant::to_millis(self.now());
        let rows: Vec<Model> = attempts
            .into_iter()
            .map(|attempt| Model {
                id: attempt.id.uuid(),
                message: attempt.message.uuid(),
                number: i32::try_from(attempt.number).unwrap_or(i32::MAX),
                started_at,
                journal_position,
                finished_at: None,
                outcome: AttemptOutcome::Started,
                http_status: None,
                duration_ms: None,
                request: attempt.request,
                reply: None,
                detail: None,
            })
            .collect();
        let rows: Vec<&Model> = rows.iter().collect();
        statements::insert::<Entity>(self.transaction(), &rows, "").await?;
        Ok(())
    }

    /// The number of the last attempt of each of these messages that has one.
    pub(super) async fn count_attempts(
        &self,
        messages: &[MessageId],
    ) -> Result<HashMap<MessageId, u32>, Error> {
        if messages.is_empty() {
            return Ok(HashMap::new());
        }
        let last: Vec<(Uuid, i32)> = Entity::find()
            .select_only()
            .column(Column::Message)
            .column_as(Column::Number.max(), "last")
            .filter(Column::Message.is_in(messages.iter().map(|id| id.uuid())))
            .group_by(Column::Message)
            .into_tuple()
            .all(self.transaction())
            .await?;
        let last = last.into_iter();
        Ok(last
            .map(|(message, number)| (message.into(), u32::try_from(number).unwrap_or_default()))
            .collect())
    }

    /// Records the outcomes of attempts.
    pub async fn finish_attempts(
        &mut self,
        finished: Vec<(AttemptId, AttemptRecord)>,
    ) -> Result<(), Error> {
        const OUTCOME_COLUMNS: [Column; 6] = [
            Column::FinishedAt,
            Column::Outcome,
            Column::HttpStatus,
            Column::DurationMs,
            Column::Reply,
            Column::Detail,
        ];
        let finished_at = instant::to_millis(self.now());
        let rows: Vec<Model> = finished
            .into_iter()
            .map(|(attempt, record)| Model {
                id: attempt.uuid(),
                finished_at: Some(finished_at),
                outcome: record.outcome,
                http_status: record.http_status.map(i32::from),
                duration_ms: Some(record.duration_ms),
                reply: record.reply,
                detail: record.detail,
                // Not written.
                message: Uuid::nil(),
                number: 0,
                started_at: 0,
                journal_position: 0,
                request: String::new(),
            })
            .collect();
        let rows: Vec<&Model> = rows.iter().collect();
        let touched =
            statements::update::<Entity>(self.transaction(), Column::Id, &OUTCOME_COLUMNS, &rows)
                .await?;
        if touched == rows.len() as u64 {
            Ok(())
        } else {
            Err(Error::UnexpectedRowCount {
                table: "attempts",
                expected: rows.len() as u64,
                touched,
            })
        }
    }

    /// The stored outcome of an attempt.
    pub async fn find_outcome(&self, id: AttemptId) -> Result<Option<AttemptOutcome>, Error> {
        let row = Entity::find_by_id(id.uuid())
            .one(self.transaction())
            .await?;
        Ok(row.map(|row| row.outcome))
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
