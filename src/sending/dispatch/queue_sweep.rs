//! Ends messages that waited longer than `send_before`, and messages whose worker died.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::db;
use crate::domain::attempt_outcome::AttemptOutcome;
use crate::domain::delivery_state::QueueState;
use crate::domain::failure::Failure;
use crate::domain::failure_codes;
use crate::domain::ids::{AccountId, ActionId, AttemptId, MessageId};
use crate::domain::receipt::{Receipt, ReceiptEvent, SourceKind};
use crate::domain::scope::Visibility;
use crate::sending::dispatch::Dispatcher;
use crate::sending::dispatch::started_calls::EarlierCalls;
use crate::sending::dispatch::uncertain_outcome::mark_uncertain;
use crate::sending::upload_storage;
use crate::store::attempts::AttemptRecord;
use crate::store::ledger::Ledger;

const SWEEP_LIMIT: u64 = 200;
const NOT_RECORDED: &str = "the process ended before the provider's reply was recorded";
const NOT_BEGUN: &str = "the process ended before the provider was called; nothing was sent";

/// A claim whose process will not record the outcome.
#[derive(Clone, Copy, Debug)]
enum DeadClaim<'a> {
    /// Its lease ended before this time.
    Expired(DateTime<Utc>),
    /// On SQLite, of any other process; with the calls that the last one had begun.
    OfDeadProcess(Option<&'a EarlierCalls>),
    /// With PostgreSQL, of the last process in this data folder; the others may be alive.
    OfLastProcess(&'a EarlierCalls),
}

impl Dispatcher {
    /// Fails expired messages, and marks messages of dead workers as uncertain.
    pub async fn sweep(&self) -> Result<(), db::Error> {
        let now = self.clock.now();
        self.expire_all(now).await?;
        // Before expired claims, because some of them are known to be unsent.
        self.resolve_claims_of_dead_processes().await?;
        let slot_time = self.steady_clock.now();
        for id in self.store.list_abandoned(slot_time, SWEEP_LIMIT).await? {
            let ended = self.end_claim(id, now, DeadClaim::Expired(slot_time)).await;
            skip_permanent_error(id, ended)?;
        }
        self.store.delete_ended_recipient_holds(now).await
    }

    /// On SQLite every other process that claimed a message is dead: only one may serve a data
    /// folder, and a lock proves it. With PostgreSQL only the last process in this data folder is
    /// known to be dead. Call this before the first claim, which replaces the file `started_calls`.
    pub async fn resolve_claims_of_dead_processes(&self) -> Result<(), db::Error> {
        let now = self.clock.now();
        let earlier = self.started_calls.read_earlier();
        let dead = match &earlier {
            Some(earlier) if self.store.is_shared() => DeadClaim::OfLastProcess(earlier),
            None if self.store.is_shared() => return Ok(()),
            earlier => DeadClaim::OfDeadProcess(earlier.as_ref()),
        };
        loop {
            let claimed = match dead {
                DeadClaim::OfLastProcess(earlier) => {
                    let last = earlier.holder;
                    self.store.list_claimed_by(last, SWEEP_LIMIT).await?
                }
                DeadClaim::OfDeadProcess(_) | DeadClaim::Expired(_) => {
                    let others = self.store.list_claimed_by_others(self.holder, SWEEP_LIMIT);
                    others.await?
                }
            };
            let mut resolved = 0;
            for id in &claimed {
                let ended = self.end_claim(*id, now, dead).await;
                resolved += usize::from(ended.is_ok());
                skip_permanent_error(*id, ended)?;
            }
            if resolved == 0 {
                return Ok(());
            }
        }
    }

    /// Expires each group in one transaction; after a permanent error, each message in its own.
    async fn expire_all(&self, now: DateTime<Utc>) -> Result<(), db::Error> {
        let mut holds = None;
        loop {
            let expired = self.store.list_expired(now, SWEEP_LIMIT).await?;
            if expired.is_empty() {
                return Ok(());
            }
            if holds.is_none() {
                holds = Some(self.list_holds().await?);
            }
            let holds = holds.get_or_insert_default();
            let ended = match self.expire(&expired, holds, now).await {
                Err(error) if !error.is_transient() => {
                    let mut ended = 0;
                    for id in &expired {
                        let single = self.expire(&[*id], holds, now).await;
                        ended += *single.as_ref().unwrap_or(&0);
                        skip_permanent_error(*id, single.map(|_| ()))?;
                    }
                    ended
                }
                grouped => grouped?,
            };
            if ended == 0 {
                return Ok(());
            }
        }
    }

    /// Why the messages of each account waited; masked, because providers quote the recipients of
    /// other messages.
    async fn list_holds(&self) -> Result<BTreeMap<AccountId, String>, db::Error> {
        let accounts = self.store.list_accounts().await?;
        let flows = self.store.list_send_flows().await?;
        let tripped = flows
            .into_iter()
            .filter_map(|(id, flow)| Some((id, flow.hold_text()?)));
        let paused = accounts
            .into_iter()
            .filter_map(|(id, record)| Some((id, record.pause?.hold_text())));
        let holds = tripped.chain(paused);
        Ok(holds
            .map(|(id, text)| (id, Visibility::Masked.mask_text(&text)))
            .collect())
    }

    /// Returns how many were still queued.
    async fn expire(
        &self,
        ids: &[MessageId],
        holds: &BTreeMap<AccountId, String>,
        now: DateTime<Utc>,
    ) -> Result<usize, db::Error> {
        let mut ledger = self.store.ledger(now).await?;
        ledger.load(ids).await?;
        let mut ended = Vec::new();
        for id in ids {
            let Some(message) = ledger
                .find(*id)?
                .filter(|message| message.queue == QueueState::Queued)
            else {
                continue;
            };
            let failure = Failure {
                code: Some(failure_codes::EXPIRED.to_owned()),
                title: Some("it was not submitted in time".to_owned()),
                detail: holds.get(&message.account).cloned().or(message.hold),
                key: None,
            };
            let failed = ReceiptEvent::Failure(failure);
            let source = ActionId::new(now).uuid();
            ledger.add(*id, Receipt::ours(SourceKind::Action, source, failed, now))?;
            ledger.leave_queue(*id, QueueState::Done)?;
            ended.push(message.media);
        }
        self.store.commit(ledger).await?;
        for media in &ended {
            upload_storage::discard(media.as_ref());
        }
        Ok(ended.len())
    }

    /// The message becomes uncertain, or is queued again if nothing was sent.
    async fn end_claim(
        &self,
        id: MessageId,
        now: DateTime<Utc>,
        dead: DeadClaim<'_>,
    ) -> Result<(), db::Error> {
        let mut ledger = self.store.ledger(now).await?;
        ledger.load(&[id]).await?;
        let Some(message) = ledger
            .find(id)?
            .filter(|message| message.queue == QueueState::Sending)
            .filter(|_| dead.includes(&ledger, id))
        else {
            ledger.roll_back().await;
            return Ok(());
        };
        let attempt = ledger.find_open_attempt(id).await?;
        let is_unsent = attempt.is_some_and(|attempt| dead.is_unsent(&ledger, id, attempt));
        if let Some(attempt) = attempt {
            let attempt_record = if is_unsent {
                AttemptRecord {
                    outcome: AttemptOutcome::Postponed,
                    ..AttemptRecord::without_reply(NOT_BEGUN)
                }
            } else {
                AttemptRecord::without_reply(NOT_RECORDED)
            };
            ledger
                .finish_attempts(vec![(attempt, attempt_record)])
                .await?;
        }
        if is_unsent {
            ledger.clear_submission(id)?;
            ledger.uncount_attempt(id)?;
            ledger.return_to_queue(id, NOT_BEGUN)?;
            return self.store.commit(ledger).await;
        }
        mark_uncertain(&mut ledger, id)?;
        self.store.commit(ledger).await?;
        upload_storage::discard(message.media.as_ref());
        Ok(())
    }
}

impl DeadClaim<'_> {
    /// Whether a loaded message still has this claim.
    fn includes(self, ledger: &Ledger, id: MessageId) -> bool {
        match self {
            Self::Expired(before) => ledger.claim_ends_before(id, before),
            Self::OfDeadProcess(_) => true,
            Self::OfLastProcess(earlier) => ledger.is_claimed_by(id, earlier.holder),
        }
    }

    /// Whether the process died before the call of this attempt began.
    fn is_unsent(self, ledger: &Ledger, id: MessageId, attempt: AttemptId) -> bool {
        match self {
            Self::OfDeadProcess(Some(earlier)) | Self::OfLastProcess(earlier) => {
                ledger.is_claimed_by(id, earlier.holder) && !earlier.has_begun(attempt)
            }
            Self::OfDeadProcess(None) | Self::Expired(_) => false,
        }
    }
}

/// Logs permanent errors, so that one message does not block the others. Returns transient ones.
fn skip_permanent_error(id: MessageId, result: Result<(), db::Error>) -> Result<(), db::Error> {
    match result {
        Err(error) if !error.is_transient() => {
            tracing::error!(%error, message.id = %id, "cannot end an expired or abandoned message");
            Ok(())
        }
        other => other,
    }
}
