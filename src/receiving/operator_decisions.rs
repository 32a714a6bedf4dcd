//! What operators decided about callbacks, so that reading them again comes to the same end.

use std::collections::{HashMap, HashSet};

use crate::db;
use crate::domain::audit_action::{Action, Verb};
use crate::domain::ids::{CallbackId, MessageId};
use crate::store::ledger::Ledger;

/// The lines of the audit that tell of them.
const DECISION_VERBS: [Verb; 3] = [Verb::Match, Verb::Unmatch, Verb::ReleaseCallback];

/// Decisions that hold when a callback is read again.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OperatorDecisions {
    /// Orphans that were tied to a message.
    pub matched: HashMap<MessageId, MessageId>,
    /// Orphans that were tied to a message and are not any more: account they are, a person says.
    pub unmatched: HashSet<MessageId>,
    /// Callbacks that failed authentication and were applied all the same.
    pub released: HashSet<CallbackId>,
}

impl OperatorDecisions {
    /// All that the audit tells within a transaction: no decision can come between reading them and heeding them.
    pub async fn load(ledger: &Ledger) -> Result<Self, db::Error> {
        Ok(Self::from_actions(ledger.list_actions_by(&DECISION_VERBS).await?))
    }

    fn from_actions(actions: Vec<Action>) -> Self {
        let mut decisions = Self::default();
        for action in actions {
            let detail = action.detail.as_deref().unwrap_or_default();
            match (action.verb, action.message) {
                (Verb::Match, Some(message)) => {
                    if let Some(orphan) = find_id(detail) {
                        decisions.matched.insert(orphan.into(), message);
                        decisions.unmatched.remove(&orphan.into());
                    }
                }
                (Verb::Unmatch, Some(message)) => {
                    decisions.forget_matches(message);
                }
                (Verb::ReleaseCallback, _) => {
                    if let Some(callback) = find_id(detail) {
                        decisions.released.insert(callback.into());
                    }
                }
                _ => {}
            }
        }
        decisions
    }

    /// Whatever was tied to this message is not any more.
    fn forget_matches(&mut self, message: MessageId) {
        let unmatched = self.matched.extract_if(|_, matched| *matched == message);
        self.unmatched.extend(unmatched.map(|(orphan, _)| orphan));
    }
}

/// The words in which the audit names a released callback.
pub(crate) fn format_release_detail(callback: CallbackId) -> String {
    format!("callback {callback}")
}

/// The words in which the audit of a message names the orphan that was tied to it.
pub(crate) fn format_match_detail(orphan: MessageId) -> String {
    format!("with {orphan}")
}

/// The id that ends a line of the audit, as [`format_match_detail`] and [`format_release_detail`] write it.
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
        assert_eq!(find_id(&format_match_detail(id.into())), Some(id));
        assert_eq!(find_id(&format_release_detail(id.into())), Some(id));
        assert_eq!(find_id("with somebody"), None);
    }
}
