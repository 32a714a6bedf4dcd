//! Runs an action on all messages that match a filter, in groups, or counts those it would change.

use std::fmt;

use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::MessageId;
use crate::domain::message::Message;
use crate::operating::action_context::ActionError;
use crate::store::Store;
use crate::store::messages::MessageFilter;

/// Messages per transaction.
const GROUP_SIZE: usize = 200;
/// At most this many skipped messages are listed in a result.
const MAX_LISTED: usize = 100;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BulkMode {
    Count,
    Apply,
}

/// Why a message stays as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Obstacle {
    AlreadyResent(MessageId),
    /// The text says when the window closed, if that is known.
    ClosedWindow(String),
    /// The account does not accept the new media.
    Media(String),
    Other(String),
}

impl fmt::Display for Obstacle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyResent(new) => write!(formatter, "it was already resent, as {new}"),
            Self::ClosedWindow(text) | Self::Media(text) | Self::Other(text) => {
                formatter.write_str(text)
            }
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BulkResult {
    /// Messages that the action changed, or would change.
    pub count: u64,
    /// Matching messages that the action cannot change.
    pub skipped: u64,
    /// The first skipped messages, each with the reason.
    pub listed: Vec<(MessageId, Obstacle)>,
    /// Each reason why messages that would be changed would probably fail again, with their number.
    /// Only counted for [`BulkMode::Count`].
    pub expected_failures: Vec<(String, u64)>,
    /// The messages that were created.
    pub created: Vec<MessageId>,
}

impl BulkResult {
    fn skip(&mut self, id: MessageId, reason: Obstacle) {
        self.skipped += 1;
        if self.listed.len() < MAX_LISTED {
            self.listed.push((id, reason));
        }
    }

    fn expect_failure(&mut self, reason: String) {
        let mut known = self.expected_failures.iter_mut();
        match known.find(|(known, _)| *known == reason) {
            Some((_, number)) => *number += 1,
            None => self.expected_failures.push((reason, 1)),
        }
    }
}

/// The messages of a bulk action. More than `limit` matches are an error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BulkSelection {
    pub filter: MessageFilter,
    pub limit: u64,
}

impl BulkSelection {
    /// Selects only messages in this state if the filter names neither states nor messages.
    pub(super) fn with_default_state(mut self, state: DeliveryState) -> Self {
        if self.filter.states.is_empty() && self.filter.ids.is_empty() {
            self.filter.states = vec![state];
        }
        self
    }
}

/// The action that a bulk action runs on each group of messages.
pub(super) trait BulkChange {
    /// Why this message has to be skipped; `None` if it can be changed.
    async fn find_obstacle(&mut self, message: &Message) -> Result<Option<Obstacle>, ActionError>;

    /// Why a message that can be changed would probably fail again.
    async fn expect_failure(&mut self, _message: &Message) -> Result<Option<String>, ActionError> {
        Ok(None)
    }

    /// Changes the messages in one transaction. Returns how many it changed: the state of some may
    /// be different from when they were checked.
    async fn apply(&mut self, group: &[MessageId]) -> Result<u64, ActionError>;
}

/// Checks the messages of the selection and changes those without an obstacle, group by group.
pub(super) async fn run_in_groups(
    store: &Store,
    selection: &BulkSelection,
    mode: BulkMode,
    change: &mut impl BulkChange,
) -> Result<BulkResult, ActionError> {
    check_size(store, selection).await?;
    let mut result = BulkResult::default();
    let mut after = None;
    loop {
        let page = store
            .list_messages(&selection.filter, after, GROUP_SIZE)
            .await?;
        let mut group = Vec::new();
        for message in &page.messages {
            match change.find_obstacle(message).await? {
                None => {
                    group.push(message.id);
                    if mode == BulkMode::Count
                        && let Some(reason) = change.expect_failure(message).await?
                    {
                        result.expect_failure(reason);
                    }
                }
                Some(reason) => result.skip(message.id, reason),
            }
        }
        result.count += match mode {
            BulkMode::Apply if !group.is_empty() => change.apply(&group).await?,
            BulkMode::Apply | BulkMode::Count => group.len() as u64,
        };
        after = page.next;
        if after.is_none() {
            return Ok(result);
        }
    }
}

async fn check_size(store: &Store, selection: &BulkSelection) -> Result<(), ActionError> {
    let matching = store.count_matches(&selection.filter, selection.limit);
    if matching.await?.is_none() {
        return Err(ActionError::NotPossible(format!(
            "the filter selects more than {} messages; narrow it",
            selection.limit
        )));
    }
    Ok(())
}
