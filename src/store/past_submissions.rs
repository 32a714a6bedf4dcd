//! Stores messages that were submitted earlier, each with its attempt; for generated histories.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, Statement};

use crate::db::{Error, instant, statements};
use crate::domain::attempt_outcome::AttemptOutcome;
use crate::domain::delivery_state::{QueueState, Stage};
use crate::domain::ids::{AttemptId, MessageId, ProviderMessageId};
use crate::domain::message::MessageDraft;
use crate::domain::receipt::{Receipt, ReceiptEvent, SourceKind};
use crate::store::Store;
use crate::store::entities::attempt_row;
use crate::store::ledger::learned_from::LearnedFrom;
use crate::store::messages::new_message::NewMessage;

/// A message that its provider accepted at the first attempt.
#[derive(Clone, Debug)]
pub struct PastSubmission {
    pub id: MessageId,
    pub draft: MessageDraft,
    pub accepted_at: DateTime<Utc>,
    pub submitted_at: DateTime<Utc>,
    /// From the reply.
    pub provider_ids: Vec<ProviderMessageId>,
    /// Redacted.
    pub request: String,
    /// Redacted.
    pub reply: String,
    pub http_status: u16,
    /// How long after the submission or the last status receipt a missing report is normal.
    pub silence_limit: TimeDelta,
}

impl Store {
    /// Adds the messages as sent by us, in one transaction.
    pub async fn add_past_submissions(
        &self,
        past: &[PastSubmission],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        self.change_in_background(now, async |ledger| {
            let ids: Vec<_> = past
                .iter()
                .flat_map(|it| {
                    it.provider_ids
                        .iter()
                        .map(|id| (it.draft.account.clone(), id.clone()))
                })
                .collect();
            ledger.load_holders(&ids).await?;
            let mut attempts = Vec::with_capacity(past.len());
            for it in past {
                let attempt = AttemptId::new(it.submitted_at);
                let new = NewMessage {
                    id: it.id,
                    created_at: it.accepted_at,
                    queue: QueueState::Done,
                    send_before: None,
                    silence_limit: it.silence_limit,
                };
                let mut row = new.of_draft(&it.draft);
                row.tries = 1;
                row.submission_started_at = Some(instant::to_millis(it.submitted_at));
                ledger.insert(row);
                for id in &it.provider_ids {
                    ledger
                        .bind(it.id, &it.draft.account, id, LearnedFrom::Reply)
                        .await?;
                }
                let submitted = ReceiptEvent::Stage(Stage::Submitted);
                let source = attempt.uuid();
                let receipt =
                    Receipt::ours(SourceKind::Attempt, source, submitted, it.submitted_at);
                ledger.add(it.id, receipt)?;
                attempts.push(attempt_row_of(it, attempt));
            }
            let attempts: Vec<&attempt_row::Model> = attempts.iter().collect();
            statements::insert::<attempt_row::Entity>(ledger.transaction(), &attempts, "").await?;
            Ok(())
        })
        .await
    }

    /// Sets the last change of every message to the time of its last event.
    pub async fn set_past_change_times(&self) -> Result<(), Error> {
        self.pools()
            .within(async |transaction| {
                let sql = "UPDATE messages SET updated_at = COALESCE(failed_at, played_at, read_at, delivered_at, sent_at, submitted_at, created_at)";
                let backend = transaction.get_database_backend();
                transaction
                    .execute_raw(Statement::from_string(backend, sql))
                    .await?;
                Ok(())
            })
            .await
    }
}

fn attempt_row_of(past: &PastSubmission, attempt: AttemptId) -> attempt_row::Model {
    let took = past.submitted_at - past.accepted_at;
    let ended = instant::to_millis(past.submitted_at);
    attempt_row::Model {
        id: attempt.uuid(),
        message: past.id.uuid(),
        number: 1,
        started_at: instant::to_millis(past.accepted_at),
        journal_position: 0,
        finished_at: Some(ended),
        outcome: AttemptOutcome::Accepted,
        http_status: Some(i32::from(past.http_status)),
        duration_ms: Some(took.num_milliseconds()),
        request: past.request.clone(),
        reply: Some(past.reply.clone()),
        detail: None,
    }
}
