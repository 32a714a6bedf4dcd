//! Marks all messages that match a filter as failed, or counts them.

use crate::db;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::MessageId;
use crate::domain::message::Message;
use crate::operating::action_context::{ActionContext, ActionError};
use crate::operating::bulk_actions::{
    BulkChange, BulkMode, BulkResult, BulkSelection, Obstacle, run_in_groups,
};
use crate::operating::message_actions::mark_failed::{add_failure, can_be_marked_failed};
use crate::store::Store;
use crate::store::ledger::Ledger;

/// Marks each message that is uncertain, submitted or sent. A filter without a state selects only
/// uncertain ones, because a report on the others may still arrive. A message that is selected by
/// id but cannot be marked is skipped, with the reason.
pub async fn mark_all_failed(
    store: &Store,
    selection: BulkSelection,
    reason: Option<&str>,
    mode: BulkMode,
    context: &ActionContext<'_>,
) -> Result<BulkResult, ActionError> {
    let selection = selection.with_default_state(DeliveryState::Uncertain);
    let mut change = BulkMarkFailed {
        store,
        reason,
        context,
    };
    run_in_groups(store, &selection, mode, &mut change).await
}

struct BulkMarkFailed<'a> {
    store: &'a Store,
    reason: Option<&'a str>,
    context: &'a ActionContext<'a>,
}

impl BulkChange for BulkMarkFailed<'_> {
    async fn find_obstacle(&mut self, message: &Message) -> Result<Option<Obstacle>, ActionError> {
        Ok((!can_be_marked_failed(message.state)).then(|| {
            Obstacle::Other(format!(
                "it is {}; only a message that is uncertain, submitted or sent can be marked as failed",
                message.state
            ))
        }))
    }

    async fn apply(&mut self, group: &[MessageId]) -> Result<u64, ActionError> {
        let marked = self
            .store
            .change(self.context.now, async |ledger: &mut Ledger| {
                ledger.load(group).await?;
                let mut marked = 0;
                for id in group {
                    let Some(message) = ledger.find(*id)? else {
                        continue;
                    };
                    if can_be_marked_failed(message.state) {
                        add_failure(ledger, &message, self.reason, self.context).await?;
                        marked += 1;
                    }
                }
                Ok::<u64, db::Error>(marked)
            })
            .await?;
        Ok(marked)
    }
}
