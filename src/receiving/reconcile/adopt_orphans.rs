//! Adopts orphans that are due: they become observed messages.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use chrono::{DateTime, TimeDelta, Utc};

use crate::db;
use crate::domain::ids::{AccountId, MessageId};
use crate::receiving::reconcile::reconciler::Reconciler;
use crate::store::ledger::AdoptionResult;

/// Maximum number of orphans adopted in one transaction.
const ADOPT_LIMIT: u64 = 200;
/// Maximum number of orphans adopted per account within 24 hours, so that callers of a leaked URL
/// cannot fill the lists. The others stay orphans until the next day.
const MAX_ADOPTED_PER_DAY: u64 = 10_000;
const NEXT_DAY: TimeDelta = TimeDelta::hours(24);

impl Reconciler {
    /// Adopts orphans that are due, unless they may still belong to a message without id.
    pub async fn adopt(&self) -> Result<usize, db::Error> {
        let now = self.clock.now();
        let due = self.store.list_adoptable(now, ADOPT_LIMIT).await?;
        if due.is_empty() {
            return Ok(0);
        }
        match self.adopt_all(&due, now).await {
            Ok(()) => return Ok(due.len()),
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "unmatched reports could not be adopted together; trying one by one");
            }
        }
        let mut adopted = 0;
        for id in &due {
            match self.adopt_all(std::slice::from_ref(id), now).await {
                Ok(()) => adopted += 1,
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    tracing::error!(%error, message.id = %id, "an unmatched report could not be adopted");
                }
            }
        }
        Ok(adopted)
    }

    async fn adopt_all(&self, due: &[MessageId], now: DateTime<Utc>) -> Result<(), db::Error> {
        let mut ledger = self.store.ledger(now).await?;
        let adopted = async {
            ledger.load(due).await?;
            let mut remaining: BTreeMap<AccountId, u64> = BTreeMap::new();
            let mut adopted: BTreeMap<AccountId, u64> = BTreeMap::new();
            for id in due {
                let Some(account) = ledger.orphan_account(*id) else {
                    continue;
                };
                let remaining = match remaining.entry(account.clone()) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(unknown) => {
                        let before = ledger.count_adopted(&account).await?;
                        unknown.insert(MAX_ADOPTED_PER_DAY.saturating_sub(before))
                    }
                };
                if *remaining == 0 {
                    ledger.postpone_adoption(*id, now + NEXT_DAY)?;
                } else if ledger.adopt(*id).await? == AdoptionResult::Adopted {
                    *remaining -= 1;
                    *adopted.entry(account).or_default() += 1;
                }
            }
            for (account, number) in adopted {
                ledger.add_adopted(&account, number).await?;
            }
            Ok(())
        }
        .await;
        self.commit_or_roll_back(ledger, adopted).await
    }
}
