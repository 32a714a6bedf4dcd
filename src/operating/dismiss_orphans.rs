//! Dismisses many orphans at once: those that an account received in a period, for example through
//! a leaked URL, or those with the given ids.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::domain::audit_action::{Action, ActionKind};
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::message::Message;
use crate::operating::action_context::{ActionContext, ActionError};
use crate::store::Store;
use crate::store::ledger::Ledger;
use crate::store::orphan_list::OrphanFilter;

/// Orphans dismissed in one transaction.
const BATCH: usize = 400;

/// Which orphans to dismiss.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OrphanSelection {
    Received(ReceptionPeriod),
    /// By id; not empty.
    Named(Vec<MessageId>),
}

/// The orphans of an account, by the time their first report was received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReceptionPeriod {
    pub account: AccountId,
    /// Inclusive.
    pub received_after: Option<DateTime<Utc>>,
    /// Exclusive; until now if absent.
    pub received_before: Option<DateTime<Utc>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DismissalMode {
    /// Changes nothing.
    Count,
    Apply,
}

impl OrphanSelection {
    fn filter(&self, now: DateTime<Utc>) -> OrphanFilter {
        let open = OrphanFilter {
            dismissed: Some(false),
            ..OrphanFilter::default()
        };
        match self {
            Self::Received(period) => OrphanFilter {
                account: Some(period.account.clone()),
                received_after: period.received_after,
                // Orphans that appear meanwhile are not dismissed.
                received_before: Some(period.received_before.unwrap_or(now)),
                ..open
            },
            Self::Named(ids) => OrphanFilter {
                ids: ids.clone(),
                ..open
            },
        }
    }
}

impl ReceptionPeriod {
    /// For the audit log.
    fn describe(&self, orphans: u64) -> String {
        let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let after = self.received_after.map(|at| format!(" from {}", text(at)));
        let before = self
            .received_before
            .map(|at| format!(" until {}", text(at)));
        let noun = if orphans == 1 { "orphan" } else { "orphans" };
        format!(
            "{orphans} {noun} received{}{}",
            after.unwrap_or_default(),
            before.unwrap_or_default()
        )
    }
}

/// Returns the number of orphans that were dismissed, or would be. `progress` receives the number
/// so far.
///
/// Dismissed orphans are never adopted. A new report on one lists it again.
pub async fn dismiss_orphans(
    store: &Store,
    selection: &OrphanSelection,
    mode: DismissalMode,
    context: &ActionContext<'_>,
    progress: &mut impl FnMut(u64),
) -> Result<u64, ActionError> {
    let filter = selection.filter(context.now);
    let expected = store.count_orphans(&filter).await?;
    if mode == DismissalMode::Count || expected == 0 {
        return Ok(expected);
    }
    let dismissal = || Action::new(context.actor, ActionKind::Dismiss, context.now);
    let mut period_action = match selection {
        OrphanSelection::Received(period) => Some(Action {
            account: Some(period.account.clone()),
            detail: Some(period.describe(expected)),
            ..dismissal()
        }),
        OrphanSelection::Named(_) => None,
    };
    let (mut dismissed, mut after) = (0, None);
    loop {
        let page = store.list_orphans(&filter, after, BATCH).await?;
        let ids: Vec<MessageId> = page.messages.iter().map(|orphan| orphan.id).collect();
        if !ids.is_empty() {
            let actions: Vec<Action> = match selection {
                // With the first batch, so that an interrupted run is in the audit log.
                OrphanSelection::Received(_) => period_action.take().into_iter().collect(),
                OrphanSelection::Named(_) => {
                    let action_on = |orphan: &Message| Action {
                        message: Some(orphan.id),
                        account: Some(orphan.account.clone()),
                        ..dismissal()
                    };
                    page.messages.iter().map(action_on).collect()
                }
            };
            dismissed += store
                .change(context.now, async |ledger: &mut Ledger| {
                    for action in &actions {
                        ledger.record_action(action).await?;
                    }
                    ledger.dismiss_orphans(&ids).await
                })
                .await?;
            progress(dismissed);
        }
        let Some(next) = page.next else {
            return Ok(dismissed);
        };
        after = Some(next);
    }
}
