//! Adopts orphans that are due: they become observed messages.

use chrono::{DateTime, Utc};

use crate::db;
use crate::domain::ids::MessageId;
use crate::receiving::reconcile::reconciler::Reconciler;

/// Orphans adopted in one transaction.
const ADOPT_LIMIT: u64 = 200;

impl Reconciler {
    /// Adopts orphans that are due, unless a message without id may turn out to be theirs.
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
            for id in due {
                ledger.adopt(*id).await?;
            }
            Ok(())
        }
        .await;
        self.finish(ledger, adopted).await
    }
}
