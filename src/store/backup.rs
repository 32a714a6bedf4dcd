//! What a backup reads from the main database, and what a restore changes in it.

use std::path::Path;

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::db::Error;
use crate::domain::delivery_state::QueueState;
use crate::domain::ids::MessageId;
use crate::domain::message::Origin;
use crate::store::Store;
use crate::store::attempts::AttemptRecord;
use crate::store::entities::message_row::{Column, Entity};
use crate::store::ledger::Ledger;
use crate::store::messages::message_lookup::list_ids;
use crate::store::store_settings::{find, name};

/// The messages that one transaction changes.
const BATCH: u64 = 400;

/// What a restore does with the queued messages of a backup, which may have been sent since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QueuedMessages {
    /// They become uncertain.
    BecomeUncertain,
    /// Only those that were being sent become uncertain.
    StayQueued,
}

impl Store {
    /// See [`Pools::copy_into`](crate::db::pools::Pools).
    pub async fn copy_into(&self, path: &Path) -> Result<(), Error> {
        self.pools().copy_into(path).await
    }

    pub async fn find_faults(&self) -> Result<Vec<String>, Error> {
        self.pools().find_faults().await
    }

    /// The last migration.
    pub async fn schema_version(&self) -> Result<String, Error> {
        self.pools().schema_version("main_migrations").await
    }

    /// The fingerprint of the secret key; `None` before the first start.
    pub async fn key_fingerprint(&self) -> Result<Option<String>, Error> {
        find(self.pools().reader(), name::KEY_FINGERPRINT).await
    }

    /// Makes messages uncertain that were queued or being sent when the backup was made; returns
    /// how many. `reason` is shown with each.
    pub async fn mark_queued_uncertain(
        &self,
        queued: QueuedMessages,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<u64, Error> {
        let states: &[QueueState] = match queued {
            QueuedMessages::BecomeUncertain => &[QueueState::Queued, QueueState::Sending],
            QueuedMessages::StayQueued => &[QueueState::Sending],
        };
        let mut changed = 0;
        loop {
            let unsent = Entity::find()
                .filter(Column::Queue.is_in(states.iter().copied()))
                .filter(Column::Origin.ne(Origin::DryRun))
                .order_by_asc(Column::Id)
                .limit(BATCH);
            let ids = list_ids(self.pools().reader(), unsent).await?;
            if ids.is_empty() {
                return Ok(changed);
            }
            let mut ledger = self.ledger(now).await?;
            ledger.load(&ids).await?;
            for id in &ids {
                mark_uncertain(&mut ledger, *id, reason).await?;
            }
            self.commit(ledger).await?;
            changed += ids.len() as u64;
        }
    }
}

async fn mark_uncertain(ledger: &mut Ledger, id: MessageId, reason: &str) -> Result<(), Error> {
    if let Some(attempt) = ledger.find_open_attempt(id).await? {
        let attempt_record = AttemptRecord::without_reply(reason);
        ledger
            .finish_attempts(vec![(attempt, attempt_record)])
            .await?;
    }
    ledger.leave_queue(id, QueueState::Uncertain)?;
    ledger.edit(id, |row| row.hold = Some(reason.to_owned()))
}
