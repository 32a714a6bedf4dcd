//! What operators decided about callbacks, so that reading them again comes to the same end.

use std::collections::{HashMap, HashSet};

use crate::db;
use crate::domain::audit_action::{Action, Verb};
use crate::domain::ids::{CallbackId, MessageId};
use crate::store::ledger::Ledger;

/// The lines of the audit that tell of them.
const TELLING: [Verb; 3] = [Verb::Match, Verb::Unmatch, Verb::ReleaseCallback];

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
    /// All that the audit tells within a transaction: no decision can come between reading them and heeding them.
    pub async fn load(ledger: &Ledger) -> Result<Self, db::Error> {
        Ok(Self::of(ledger.list_actions_by(&TELLING).await?))
    }

    fn of(actions: Vec<Action>) -> Self {
        let mut precedents = Self::default();
        for action in actions {
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
        precedents
    }

    /// Whatever was tied to this message is not any more.
    fn forget_matches(&mut self, message: MessageId) {
        let parted = self.matched.extract_if(|_, matched| *matched == message);
        self.parted.extend(parted.map(|(orphan, _)| orphan));
    }
}

/// The words in which the audit names a released callback.
pub(crate) fn release_words(callback: CallbackId) -> String {
    format!("callback {callback}")
}

/// The words in which the audit of a message names the orphan that was tied to it.
pub(crate) fn match_words(orphan: MessageId) -> String {
    format!("with {orphan}")
}

/// The id that ends a line of the audit, as [`match_words`] and [`release_words`] write it.
fn find_id(detail: &str) -> Option<uuid::Uuid> {
    detail.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_the_audit_writes_is_read_again() {
        let id = Uuid::from_u128(7);
        assert_eq!(find_id(&match_words(id.into())), Some(id));
        assert_eq!(find_id(&release_words(id.into())), Some(id));
        assert_eq!(find_id("with somebody"), None);
    }
}
