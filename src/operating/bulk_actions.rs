//! Actions on all messages of a filter, in groups; or how many there are. Cancels them.

use crate::db;
use crate::domain::audit_action::{Action, Verb};
use crate::domain::delivery_state::{DeliveryState, QueueState};
use crate::domain::ids::MessageId;
use crate::domain::media::Media;
use crate::operating::actions::{Decision, OperateError};
use crate::sending::upload_storage;
use crate::store::Store;
use crate::store::ledger::Ledger;
use crate::store::messages::MessageFilter;

/// Messages of one transaction.
pub(super) const GROUP: usize = 200;
/// Skipped messages that a result names.
const SKIPPED_LISTED: usize = 100;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BulkMode {
    Count,
    Apply,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BulkResult {
    /// Messages that the action changed, or would change.
    pub count: u64,
    /// Matching messages for which that is not possible.
    pub skipped: u64,
    /// The first of them, with the reason.
    pub listed: Vec<(MessageId, String)>,
}

impl BulkResult {
    pub(super) fn skip(&mut self, id: MessageId, reason: String) {
        self.skipped += 1;
        if self.listed.len() < SKIPPED_LISTED {
            self.listed.push((id, reason));
        }
    }
}

/// Which messages, and at most how many.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BulkSelection {
    pub filter: MessageFilter,
    pub limit: u64,
}

impl BulkSelection {
    /// Selects this state only, if the filter names neither states nor messages.
    pub(super) fn or_state(mut self, state: DeliveryState) -> Self {
        if self.filter.states.is_empty() && self.filter.ids.is_empty() {
            self.filter.states = vec![state];
        }
        self
    }
}

/// Cancels each message that is queued. Of messages that are named by id, each that is not queued is
/// skipped with its reason.
pub async fn cancel_all(
    store: &Store,
    selection: BulkSelection,
    mode: BulkMode,
    decision: &Decision<'_>,
) -> Result<BulkResult, OperateError> {
    let selection = selection.or_state(DeliveryState::Queued);
    check_size(store, &selection).await?;
    let mut result = BulkResult::default();
    let mut after = None;
    loop {
        let page = store.list_messages(&selection.filter, after, GROUP).await?;
        let mut group = Vec::new();
        for message in &page.messages {
            if message.queue == QueueState::Queued {
                group.push(message.id);
            } else {
                let reason = format!(
                    "it is {}; only a queued message can be cancelled",
                    message.state
                );
                result.skip(message.id, reason);
            }
        }
        result.count += match mode {
            BulkMode::Count => group.len() as u64,
            BulkMode::Apply => cancel_group(store, &group, decision).await?,
        };
        after = page.next;
        if after.is_none() {
            return Ok(result);
        }
    }
}

pub(super) async fn check_size(
    store: &Store,
    selection: &BulkSelection,
) -> Result<(), OperateError> {
    let matching = store.count_matches(&selection.filter, selection.limit);
    if matching.await?.is_none() {
        return Err(OperateError::NotNow(format!(
            "the filter selects more than {} messages; narrow it",
            selection.limit
        )));
    }
    Ok(())
}

async fn cancel_group(
    store: &Store,
    group: &[MessageId],
    decision: &Decision<'_>,
) -> Result<u64, OperateError> {
    if group.is_empty() {
        return Ok(0);
    }
    let cancelled = store
        .change(decision.now, async |ledger: &mut Ledger| {
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
                    ..Action::new(decision.actor, Verb::Cancel, decision.now)
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
