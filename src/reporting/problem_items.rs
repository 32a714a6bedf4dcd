//! Open problems: every kind with its count, reason, next step and items.

use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};

use crate::db;
use crate::domain::callback_outcome::Outcome;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::{AccountId, CallbackId};
use crate::domain::message::{Message, Origin};
use crate::domain::scope::Visibility;
use crate::reporting::message_query::MessageQuery;
use crate::reporting::orphan_views::{self, ListedOrphan};
use crate::reporting::problem_kind::ProblemKind;
use crate::services::Services;
use crate::store::callback_outcomes::CallbackOutcome;
use crate::store::id_conflicts::{IdConflict, IdConflictCursor};
use crate::store::messages::Cursor;
use crate::store::orphan_list::OrphanFilter;
use crate::store::outcome_list::OutcomeFilter;
use crate::store::page_counts::Problems;
use crate::store::quarantine::QuarantinedPart;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProblemList {
    pub kind: ProblemKind,
    pub count: u64,
    /// The newest ones.
    pub items: ProblemItems,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProblemItems {
    Accounts(Vec<StoppedAccount>),
    Messages(Vec<Message>),
    Orphans(Vec<ListedOrphan>),
    IdConflicts(Vec<IdConflict>),
    Quarantine(Vec<QuarantinedPart>),
    Callbacks(Vec<CallbackOutcome>),
    /// Only the count is known.
    Nothing,
}

/// A paused or tripped account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoppedAccount {
    pub account: AccountId,
    pub since: DateTime<Utc>,
    pub reason: String,
}

/// Every kind that has open problems, each with at most `limit` of its newest items.
pub async fn list(services: &Services, limit: usize) -> Result<Vec<ProblemList>, db::Error> {
    let counts = services.store.count_problems(services.clock.now()).await?;
    let mut lists = Vec::new();
    for kind in ProblemKind::ALL {
        let count = counted(services, kind, &counts);
        if count > 0 {
            let (items, _) = items(services, kind, None, limit).await?;
            lists.push(ProblemList { kind, count, items });
        }
    }
    Ok(lists)
}

/// Where a page of items ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProblemCursor {
    Message(Cursor),
    Account(AccountId),
    Claim(IdConflictCursor),
    Callback(CallbackId),
    /// A position in the journal.
    Journal(i64),
}

/// One kind, even without open problems, with at most `limit` items `after` a cursor, and the cursor of the
/// next page.
pub async fn find(
    services: &Services,
    kind: ProblemKind,
    after: Option<&ProblemCursor>,
    limit: usize,
) -> Result<(ProblemList, Option<ProblemCursor>), db::Error> {
    let counts = services.store.count_problems(services.clock.now()).await?;
    let (items, next) = items(services, kind, after, limit).await?;
    let list = ProblemList {
        kind,
        count: counted(services, kind, &counts),
        items,
    };
    Ok((list, next))
}

fn counted(services: &Services, kind: ProblemKind, counts: &Problems) -> u64 {
    match kind {
        ProblemKind::Rejected => services.ingest.counters().rejected.load(Ordering::Relaxed),
        kind => kind.count(counts),
    }
}

/// The messages of a kind; `None` for kinds that are not about messages.
pub fn message_query(kind: ProblemKind) -> Option<MessageQuery> {
    let mut query = MessageQuery::default();
    query.filter.resent = Some(false);
    match kind {
        ProblemKind::Uncertain => {
            query.filter.states = vec![DeliveryState::Uncertain];
            query.filter.origin = Some(Origin::Api);
        }
        ProblemKind::Overdue => query.overdue = Some(true),
        ProblemKind::Conflicts => {
            query.filter.conflict = Some(true);
            query.filter.dismissed = Some(false);
        }
        _ => return None,
    }
    Some(query)
}

async fn items(
    services: &Services,
    kind: ProblemKind,
    after: Option<&ProblemCursor>,
    limit: usize,
) -> Result<(ProblemItems, Option<ProblemCursor>), db::Error> {
    let store = &services.store;
    // One more row, to know whether there is a next page.
    let rows = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let cursor = match after {
        Some(ProblemCursor::Message(cursor)) => Some(*cursor),
        _ => None,
    };
    if let Some(query) = message_query(kind) {
        let filter = query.resolve(Visibility::Full, services.clock.now());
        let page = store.list_messages(&filter, cursor, limit).await?;
        return Ok((
            ProblemItems::Messages(page.messages),
            page.next.map(ProblemCursor::Message),
        ));
    }
    Ok(match kind {
        ProblemKind::PausedAccounts => {
            let paused = paused_accounts(services, after).await?;
            let (paused, next) = split_page(paused, limit, account_cursor);
            (ProblemItems::Accounts(paused), next)
        }
        ProblemKind::TrippedAccounts => {
            let tripped = tripped_accounts(services, after).await?;
            let (tripped, next) = split_page(tripped, limit, account_cursor);
            (ProblemItems::Accounts(tripped), next)
        }
        ProblemKind::Orphans => {
            let open = OrphanFilter {
                dismissed: Some(false),
                ..OrphanFilter::default()
            };
            let (orphans, next) = orphan_views::list(store, &open, cursor, limit).await?;
            (
                ProblemItems::Orphans(orphans),
                next.map(ProblemCursor::Message),
            )
        }
        ProblemKind::IdConflicts => {
            let after = match after {
                Some(ProblemCursor::Claim(cursor)) => Some(cursor),
                _ => None,
            };
            let conflicts = store.list_id_conflicts(after, rows).await?;
            let (conflicts, next) = split_page(conflicts, limit, claim_cursor);
            (ProblemItems::IdConflicts(conflicts), next)
        }
        ProblemKind::Quarantine => {
            let before = match after {
                Some(ProblemCursor::Callback(callback)) => Some(*callback),
                _ => None,
            };
            let parts = store.list_quarantine(before, rows).await?;
            let (parts, next) =
                split_page(parts, limit, |part| ProblemCursor::Callback(part.callback));
            (ProblemItems::Quarantine(parts), next)
        }
        ProblemKind::Unverified => {
            let before = match after {
                Some(ProblemCursor::Journal(seq)) => Some(*seq),
                _ => None,
            };
            let filter = OutcomeFilter {
                outcome: Some(Outcome::Unverified),
                ..OutcomeFilter::default()
            };
            let callbacks = store.list_outcomes_before(&filter, before, rows).await?;
            let (callbacks, next) =
                split_page(callbacks, limit, |one| ProblemCursor::Journal(one.seq));
            (ProblemItems::Callbacks(callbacks), next)
        }
        _ => (ProblemItems::Nothing, None),
    })
}

/// The first `limit` items, and the cursor of the last one if there are more.
fn split_page<T>(
    mut items: Vec<T>,
    limit: usize,
    cursor: impl Fn(&T) -> ProblemCursor,
) -> (Vec<T>, Option<ProblemCursor>) {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(cursor);
    (items, next)
}

fn account_cursor(stopped: &StoppedAccount) -> ProblemCursor {
    ProblemCursor::Account(stopped.account.clone())
}

fn claim_cursor(conflict: &IdConflict) -> ProblemCursor {
    ProblemCursor::Claim(IdConflictCursor {
        seen_at: conflict.seen_at,
        claimant: conflict.claimant,
        provider_id: conflict.provider_id.as_str().to_owned(),
    })
}

/// Each with the reason of its trip and the last reply.
async fn tripped_accounts(
    services: &Services,
    after: Option<&ProblemCursor>,
) -> Result<Vec<StoppedAccount>, db::Error> {
    let flows = services.store.list_send_flows().await?;
    let is_after = |id: &AccountId| match after {
        Some(ProblemCursor::Account(last)) => id > last,
        _ => true,
    };
    Ok(flows
        .into_iter()
        .filter(|(account, _)| is_after(account))
        .filter_map(|(account, flow)| {
            let reason = flow.hold_text()?;
            let since = flow.breaker.trip?.since;
            Some(StoppedAccount {
                account,
                since,
                reason,
            })
        })
        .collect())
}

async fn paused_accounts(
    services: &Services,
    after: Option<&ProblemCursor>,
) -> Result<Vec<StoppedAccount>, db::Error> {
    let accounts = services.store.list_accounts().await?;
    let is_after = |id: &AccountId| match after {
        Some(ProblemCursor::Account(last)) => id > last,
        _ => true,
    };
    Ok(accounts
        .into_values()
        .filter(|record| is_after(&record.id))
        .filter_map(|record| {
            let pause = record.pause?;
            Some(StoppedAccount {
                account: record.id,
                since: pause.since,
                reason: pause.reason,
            })
        })
        .collect())
}
