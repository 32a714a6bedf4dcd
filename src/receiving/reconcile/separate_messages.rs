//! Separates messages that were merged by a constant id, an id that the provider repeats for
//! different messages (`src/store/ledger/constant_ids.rs`): the callbacks of the message that held
//! the id, and of messages with conflicting claims, are applied again, ignoring that id.

use std::collections::HashSet;

use crate::db;
use crate::domain::ids::MessageId;
use crate::receiving::operator_decisions::OperatorDecisions;
use crate::receiving::reconcile::reconciler::Reconciler;
use crate::receiving::reconcile::reprocess::list_ids;
use crate::store::ledger::Ledger;

/// Applying callbacks again can reveal further constant ids. Messages found after this many rounds
/// keep their receipts until a rebuild.
const MAX_ROUNDS: usize = 16;

impl Reconciler {
    /// Call after the outcomes of a batch are recorded. A message with too many callbacks keeps its
    /// receipts until a rebuild.
    pub(super) async fn separate_messages(&self, ledger: &mut Ledger) -> Result<(), db::Error> {
        for _ in 0..MAX_ROUNDS {
            let holders = ledger.take_former_holders();
            if holders.is_empty() {
                break;
            }
            match self.apply_without_constant_ids(ledger, &holders).await {
                Err(db::Error::TooMuch(_)) => tracing::warn!(
                    messages = holders.len(),
                    "these messages shared one provider id and were merged wrongly; they have too many callbacks to correct them now, run `bluetick rebuild`"
                ),
                applied => applied?,
            }
        }
        Ok(())
    }

    async fn apply_without_constant_ids(
        &self,
        ledger: &mut Ledger,
        holders: &[MessageId],
    ) -> Result<(), db::Error> {
        ledger.flush_and_unload().await?;
        // The wrong merge may have given the holder an id that another message claims.
        let holders = ledger.with_conflicting_messages(holders).await?;
        let entries = self.find_related(ledger, &[], &holders).await?;
        let decisions = OperatorDecisions::load(ledger).await?;
        let parsed = self.parse_all(&entries, &decisions);
        ledger.retract(&list_ids(&entries)).await?;
        let times: HashSet<_> = entries
            .iter()
            .map(|entry| entry.record.received_at)
            .collect();
        ledger.forget_learned_ids(&holders, &times).await?;
        let applied = self.apply_all(ledger, &parsed, &decisions).await?;
        ledger.retry_id_claims().await?;
        ledger.unmerge_recreated().await?;
        ledger
            .replace_outcomes(applied.outcomes, applied.quarantined)
            .await
    }
}
