//! Adopts orphans as messages sent elsewhere, or postpones their adoption.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use crate::db::{Error, instant};
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::message::Origin;
use crate::store::Store;
use crate::store::entities::message_row::{Column, Entity};
use crate::store::ledger::message_ledger::Ledger;
use crate::store::ledger::orphan_messages::KindFilter;
use crate::store::messages::message_lookup::list_ids;

/// How long a sent message without provider id delays the adoption of its recipient's orphans.
const ADOPTION_DELAY: TimeDelta = TimeDelta::hours(24);

/// The result of an attempt to adopt an orphan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AdoptionResult {
    Adopted,
    /// Tried again later.
    Delayed,
}

impl Ledger {
    /// The account of a loaded message, if it is an orphan.
    pub fn orphan_account(&self, id: MessageId) -> Option<AccountId> {
        let row = self.row(id).filter(|row| row.origin == Origin::Orphan)?;
        Some(row.account.clone())
    }

    /// Postpones the adoption of a loaded orphan.
    pub fn postpone_adoption(&mut self, id: MessageId, until: DateTime<Utc>) -> Result<(), Error> {
        self.edit(id, |row| row.adopt_at = Some(instant::to_millis(until)))
    }

    /// Makes a loaded orphan a message of origin `observed`. Delays it while a message without
    /// provider id was sent to the same recipient.
    pub async fn adopt(&mut self, id: MessageId) -> Result<AdoptionResult, Error> {
        let Some(row) = self.row(id).filter(|row| row.origin == Origin::Orphan) else {
            return Ok(AdoptionResult::Delayed);
        };
        let account = row.account.clone();
        if let Some(recipient) = row.recipient.clone() {
            let period = self.now() - ADOPTION_DELAY..=self.now();
            if !self
                .list_without_id(&account, &recipient, KindFilter::Any, period, i64::MAX)
                .await?
                .is_empty()
            {
                self.postpone_adoption(id, self.now() + TimeDelta::minutes(10))?;
                return Ok(AdoptionResult::Delayed);
            }
        }
        self.edit(id, |row| {
            row.origin = Origin::Observed;
            row.adopt_at = None;
        })?;
        Ok(AdoptionResult::Adopted)
    }
}

impl Store {
    /// Orphans that are due for adoption, longest due first.
    pub async fn list_adoptable(
        &self,
        now: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<MessageId>, Error> {
        list_ids(self.pools().reader(), adoptable(now).limit(limit)).await
    }
}

/// Excludes orphans whose reports name no stage: listed as messages, they would have a wrong state.
fn adoptable(now: DateTime<Utc>) -> Select<Entity> {
    Entity::find()
        .filter(Column::Origin.eq(Origin::Orphan))
        .filter(Column::State.ne(DeliveryState::Uncertain))
        .filter(Column::AdoptAt.lte(instant::to_millis(now)))
        .order_by_asc(Column::AdoptAt)
}
