//! Cancels all queued messages that match a filter, or counts them.

use crate::db;
use crate::domain::audit_action::{Action, ActionKind};
use crate::domain::delivery_state::{DeliveryState, QueueState};
use crate::domain::ids::MessageId;
use crate::domain::media::Media;
use crate::domain::message::Message;
use crate::operating::action_context::{ActionContext, ActionError};
use crate::operating::bulk_actions::{
    BulkChange, BulkMode, BulkResult, BulkSelection, Obstacle, run_in_groups,
};
use crate::sending::upload_storage;
use crate::store::Store;
use crate::store::ledger::Ledger;

/// Cancels each queued message. A message that is selected by id but is not queued is skipped, with
/// the reason.
pub async fn cancel_all(
    store: &Store,
    selection: BulkSelection,
    mode: BulkMode,
    context: &ActionContext<'_>,
) -> Result<BulkResult, ActionError> {
    let selection = selection.with_default_state(DeliveryState::Queued);
    let mut change = BulkCancel { store, context };
    run_in_groups(store, &selection, mode, &mut change).await
}

struct BulkCancel<'a> {
    store: &'a Store,
    context: &'a ActionContext<'a>,
}

impl BulkChange for BulkCancel<'_> {
    async fn find_obstacle(&mut self, message: &Message) -> Result<Option<Obstacle>, ActionError> {
        Ok((message.queue != QueueState::Queued).then(|| {
            Obstacle::Other(format!(
                "it is {}; only a queued message can be cancelled",
                message.state
            ))
        }))
    }

    async fn apply(&mut self, group: &[MessageId]) -> Result<u64, ActionError> {
        let cancelled = self
            .store
            .change(self.context.now, async |ledger: &mut Ledger| {
                ledger.load(group).await?;
                let mut cancelled: Vec<Option<Media>> = Vec::new();
                for id in group {
                    let found = ledger.find(*id)?;
                    let Some(message) = found.filter(|message| message.queue == QueueState::Queued)
                    else {
                        continue;
                    };
                    ledger.leave_queue(*id, QueueState::Cancelled)?;
                    let action = Action {
                        message: Some(*id),
                        account: Some(message.account.clone()),
                        ..Action::new(self.context.actor, ActionKind::Cancel, self.context.now)
                    };
                    ledger.record_action(&action).await?;
                    cancelled.push(message.media);
                }
                Ok::<_, db::Error>(cancelled)
            })
            .await?;
        for media in &cancelled {
            upload_storage::discard(media.as_ref());
        }
        Ok(cancelled.len() as u64)
    }
}
