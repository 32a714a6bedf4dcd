//! Operators' decisions about callbacks, read from the audit log, so that a replay respects them.

use std::collections::{HashMap, HashSet};

use crate::db;
use crate::domain::audit_action::{Action, ActionKind};
use crate::domain::ids::{CallbackId, MessageId};
use crate::store::ledger::Ledger;

/// The audit actions that record decisions.
const DECISION_KINDS: [ActionKind; 3] = [
    ActionKind::Match,
    ActionKind::Unmatch,
    ActionKind::ReleaseCallback,
];

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OperatorDecisions {
    /// Orphan → the message that an operator matched it with.
    pub matched: HashMap<MessageId, MessageId>,
    /// Orphans whose match an operator undid. Only an operator may match them again.
    pub unmatched: HashSet<MessageId>,
    /// Unverified callbacks that an operator released.
    pub released: HashSet<CallbackId>,
}

impl OperatorDecisions {
    /// Loads all decisions within the ledger's transaction, so that none can be added before they
    /// are applied.
    pub async fn load(ledger: &Ledger) -> Result<Self, db::Error> {
        Ok(Self::from_actions(
            ledger.list_actions_of_kinds(&DECISION_KINDS).await?,
        ))
    }

    fn from_actions(actions: Vec<Action>) -> Self {
        let mut decisions = Self::default();
        for action in actions {
            let detail = action.detail.as_deref().unwrap_or_default();
            match (action.kind, action.message) {
                (ActionKind::Match, Some(message)) => {
                    if let Some(orphan) = find_id(detail) {
                        decisions.matched.insert(orphan.into(), message);
                        decisions.unmatched.remove(&orphan.into());
                    }
                }
                (ActionKind::Unmatch, Some(message)) => {
                    decisions.forget_matches(message);
                }
                (ActionKind::ReleaseCallback, _) => {
                    if let Some(callback) = find_id(detail) {
                        decisions.released.insert(callback.into());
                    }
                }
                _ => {}
            }
        }
        decisions
    }

    /// An unmatch undoes every match of the message.
    fn forget_matches(&mut self, message: MessageId) {
        let unmatched = self.matched.extract_if(|_, matched| *matched == message);
        self.unmatched.extend(unmatched.map(|(orphan, _)| orphan));
    }
}

/// The detail of a release in the audit log.
pub(crate) fn format_release_detail(callback: CallbackId) -> String {
    format!("callback {callback}")
}

/// The detail of a match in the audit log.
pub(crate) fn format_match_detail(orphan: MessageId) -> String {
    format!("with {orphan}")
}

/// The id at the end of a detail, as [`format_match_detail`] and [`format_release_detail`] write
/// it.
fn find_id(detail: &str) -> Option<uuid::Uuid> {
    detail.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn ids_in_audit_details_are_found() {
        let id = Uuid::from_u128(7);
        assert_eq!(find_id(&format_match_detail(id.into())), Some(id));
        assert_eq!(find_id(&format_release_detail(id.into())), Some(id));
        assert_eq!(find_id("with no id"), None);
    }
}
