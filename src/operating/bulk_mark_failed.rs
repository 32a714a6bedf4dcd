//! Marks all messages of a filter as failed, in groups; or counts them.

use crate::db;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::MessageId;
use crate::operating::actions::{Decision, OperateError, add_failure, can_be_marked_failed};
use crate::operating::bulk_actions::{BulkMode, BulkResult, BulkSelection, GROUP, check_size};
use crate::store::Store;
use crate::store::ledger::Ledger;

/// Marks each message that is uncertain, submitted or sent. Without a state in the filter only
/// uncertain ones: a report about the others may still arrive. Of messages that are named by id, each
/// that cannot be marked is skipped with its reason.
pub async fn mark_all_failed(
    store: &Store,
    selection: BulkSelection,
    reason: Option<&str>,
    mode: BulkMode,
    decision: &Decision<'_>,
) -> Result<BulkResult, OperateError> {
    let selection = selection.or_state(DeliveryState::Uncertain);
    check_size(store, &selection).await?;
    let mut result = BulkResult::default();
    let mut after = None;
    loop {
        let page = store.list_messages(&selection.filter, after, GROUP).await?;
        let mut group = Vec::new();
        for message in &page.messages {
            if can_be_marked_failed(message.state) {
                group.push(message.id);
            } else {
                let reason = format!(
                    "it is {}; only a message that is uncertain, submitted or sent can be marked as failed",
                    message.state
                );
                result.skip(message.id, reason);
            }
        }
        result.count += match mode {
            BulkMode::Count => group.len() as u64,
            BulkMode::Apply => mark_group(store, &group, reason, decision).await?,
        };
        after = page.next;
        if after.is_none() {
            return Ok(result);
        }
    }
}

/// Returns how many were marked: a report may have arrived since.
async fn mark_group(
    store: &Store,
    group: &[MessageId],
    reason: Option<&str>,
    decision: &Decision<'_>,
) -> Result<u64, OperateError> {
    if group.is_empty() {
        return Ok(0);
    }
    let marked = store
        .change(decision.now, async |ledger: &mut Ledger| {
            ledger.load(group).await?;
            let mut marked = 0;
            for id in group {
                let Some(message) = ledger.find(*id)? else {
                    continue;
                };
                if can_be_marked_failed(message.state) {
                    add_failure(ledger, &message, reason, decision).await?;
                    marked += 1;
                }
            }
            Ok::<u64, db::Error>(marked)
        })
        .await?;
    Ok(marked)
}
