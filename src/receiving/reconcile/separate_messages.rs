//! Separates messages that were merged by a constant id, which callbacks carry for several
//! messages: applies the callbacks of its former holder, and of the messages that compete with that
//! holder for other ids, again without the constant id.

use std::collections::HashSet;

use crate::db;
use crate::domain::ids::MessageId;
use crate::receiving::operator_decisions::OperatorDecisions;
use crate::receiving::reconcile::reconciler::Reconciler;
use crate::receiving::reconcile::reprocess::list_ids;
use crate::store::ledger::Ledger;

/// Each round finds further constant ids only among those of the round before.
const ROUNDS: usize = 16;

impl Reconciler {
    /// Call after the outcomes of a batch are recorded. A message with too many callbacks keeps its
    /// receipts until a rebuild.
    pub(super) async fn separate_messages(&self, ledger: &mut Ledger) -> Result<(), db::Error> {
        for _ in 0..ROUNDS {
            let holders = ledger.take_former_holders();
            if holders.is_empty() {
                break;
            }
            match self.apply_without_constant_ids(ledger, &holders).await {
                Err(db::Error::TooMuch(_)) => tracing::warn!(
                    messages = holders.len(),
                    "an id that callbacks carry for several messages was forgotten; too many callbacks reported with it to apply them again, so run `bluetick rebuild`"
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
        // Another message may have claimed an id that the holder would not have without the
        // constant id.
        let holders = ledger.with_rivals(holders).await?;
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
