//! What operators decided about callbacks, so that reading them again comes to the same end.

use std::collections::{HashMap, HashSet};

use crate::domain::access::Verb;
use crate::domain::ids::{CallbackId, MessageId};
use crate::store::{self, Store};

/// Decisions that hold when a callback is read again.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Precedents {
    /// Orphans that were tied to a message.
    pub matched: HashMap<MessageId, MessageId>,
    /// Orphans that were tied to a message and are not any more: whose they are, a person says.
    pub parted: HashSet<MessageId>,
    /// Callbacks that failed authentication and were applied all the same.
    pub released: HashSet<CallbackId>,
}

impl Precedents {
    /// All that the audit tells.
    pub async fn load(store: &Store) -> Result<Self, store::Error> {
        let mut precedents = Self::default();
        for action in store
            .list_actions_by(&[Verb::Match, Verb::Unmatch, Verb::ReleaseCallback])
            .await?
        {
            let detail = action.detail.as_deref().unwrap_or_default();
            match (action.verb, action.message) {
                (Verb::Match, Some(message)) => {
                    if let Some(orphan) = find_id(detail) {
                        precedents.matched.insert(orphan.into(), message);
                        precedents.parted.remove(&orphan.into());
                    }
                }
                (Verb::Unmatch, Some(message)) => {
                    precedents.forget_matches(message);
                }
                (Verb::ReleaseCallback, _) => {
                    if let Some(callback) = find_id(detail) {
                        precedents.released.insert(callback.into());
                    }
                }
                _ => {}
            }
        }
        Ok(precedents)
    }

    /// Whatever was tied to this message is not any more; returns the orphans it was.
    pub fn forget_matches(&mut self, message: MessageId) -> Vec<MessageId> {
        let parted: Vec<MessageId> = self
            .matched
            .extract_if(|_, matched| *matched == message)
            .map(|(orphan, _)| orphan)
            .collect();
        self.parted.extend(&parted);
        parted
    }
}

/// The words in which the audit names a released callback.
pub(crate) fn release_words(callback: CallbackId) -> String {
    format!("callback {callback}")
}

/// The id that ends a line of the audit: `with {orphan}`, `callback {id}`.
fn find_id(detail: &str) -> Option<uuid::Uuid> {
    detail.rsplit(' ').next()?.parse().ok()
}
