//! Open problems: every kind with its count, reason, next step and items.

use std::sync::atomic::Ordering;

use crate::db;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::{AccountId, CallbackId};
use crate::domain::message::{Message, Origin};
use crate::reporting::orphan_views::{self, ListedOrphan};
use crate::services::Services;
use crate::store::accounts::Pause;
use crate::store::callbacks::{CallbackOutcome, Outcome};
use crate::store::messages::{Cursor, MessageFilter};
use crate::store::orphans::OrphanFilter;
use crate::store::problems::{ClaimPlace, IdConflict, QuarantinedPart};
use crate::store::reports::Problems;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProblemKind {
    /// Accounts that do not send.
    PausedAccounts,
    /// Submitted, outcome unknown.
    Uncertain,
    /// Submitted, and nothing reported within the deadline.
    Overdue,
    /// Delivered and reported as failed.
    Conflicts,
    Orphans,
    /// Ids that two sent messages have.
    IdConflicts,
    /// Callbacks, or parts of them, that could not be parsed.
    Quarantine,
    /// Callbacks that failed authentication.
    Unverified,
    /// Requests to callback URLs with an unknown account or a wrong token.
    Rejected,
}

impl ProblemKind {
    /// Most important first.
    pub const ALL: [Self; 9] = [
        Self::PausedAccounts,
        Self::Uncertain,
        Self::Overdue,
        Self::Conflicts,
        Self::Orphans,
        Self::IdConflicts,
        Self::Quarantine,
        Self::Unverified,
        Self::Rejected,
    ];

    /// The word used in URLs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PausedAccounts => "paused-accounts",
            Self::Uncertain => "uncertain",
            Self::Overdue => "overdue",
            Self::Conflicts => "conflicts",
            Self::Orphans => "orphans",
            Self::IdConflicts => "id-conflicts",
            Self::Quarantine => "quarantine",
            Self::Unverified => "unverified",
            Self::Rejected => "rejected",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::PausedAccounts => "Paused accounts",
            Self::Uncertain => "Uncertain",
            Self::Overdue => "Overdue",
            Self::Conflicts => "Delivered and failed",
            Self::Orphans => "Unmatched reports",
            Self::IdConflicts => "Duplicate provider ids",
            Self::Quarantine => "Unparseable callbacks",
            Self::Unverified => "Unverified callbacks",
            Self::Rejected => "Rejected requests",
        }
    }

    pub fn why(self) -> &'static str {
        match self {
            Self::PausedAccounts => {
                "The provider refused the account: its key, balance or number. Its other messages would fail in the same way, so they stay queued."
            }
            Self::Uncertain => {
                "The request was sent, but the provider gave no clear answer. The message may have been sent, so it is never repeated automatically."
            }
            Self::Overdue => {
                "The provider accepted them, but reported nothing within the account's deadline."
            }
            Self::Conflicts => {
                "One report says delivered, another failed; recipients with several devices can cause this. Delivered takes precedence."
            }
            Self::Orphans => {
                "Providers reported on messages that were not sent from here, or whose id is not known yet."
            }
            Self::IdConflicts => {
                "A provider gave two of our messages the same id. Reports with that id count for the first one."
            }
            Self::Quarantine => {
                "A callback, or a part of it, could not be parsed. Nothing is lost: the whole request is kept."
            }
            Self::Unverified => {
                "They came to the right URL without the right secret. They are kept but not processed."
            }
            Self::Rejected => {
                "Requests to callback URLs with an unknown account or a wrong token, since this process started. They are not kept."
            }
        }
    }

    pub fn next_step(self) -> &'static str {
        match self {
            Self::PausedAccounts => {
                "Fix the reason given below in the provider's console, then resume."
            }
            Self::Uncertain => {
                "Check the provider's console or ask the customer. Then resend, which may be charged twice, or mark as failed. A late report resolves it automatically."
            }
            Self::Overdue => {
                "Check that the account's callbacks arrive. If they do, the phone is probably off: wait, or mark as failed."
            }
            Self::Conflicts => {
                "No action is needed for the customer. Open the message to see both reports, then dismiss it."
            }
            Self::Orphans => {
                "Match a report with its message if you know it. Unless adoption is off, unmatched reports become messages \u{201c}sent elsewhere\u{201d} automatically. Others can be dismissed until the next report."
            }
            Self::IdConflicts => {
                "Compare both messages; the one without reports may have arrived as well. Inform the provider."
            }
            Self::Quarantine => {
                "Open the callback and compare it with what the provider documents. Field names of your own choice belong in callback_fields. Once that is fixed, or after an update, replay it."
            }
            Self::Unverified => {
                "Compare the secret in the provider's console with callback_auth in the configuration. Release callbacks that you know are from the provider."
            }
            Self::Rejected => {
                "Compare the URL in each provider's console with the one on the page Accounts."
            }
        }
    }

    /// The count in the database; rejected requests are counted by the process only.
    pub fn count(self, problems: &Problems) -> u64 {
        match self {
            Self::PausedAccounts => problems.paused_accounts,
            Self::Uncertain => problems.uncertain,
            Self::Overdue => problems.overdue,
            Self::Conflicts => problems.conflicts,
            Self::Orphans => problems.orphans,
            Self::IdConflicts => problems.id_conflicts,
            Self::Quarantine => problems.quarantine,
            Self::Unverified => problems.unverified,
            Self::Rejected => 0,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProblemList {
    pub kind: ProblemKind,
    pub count: u64,
    /// The newest ones.
    pub items: ProblemItems,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProblemItems {
    /// Accounts, and why they are paused.
    Accounts(Vec<(AccountId, Pause)>),
    Messages(Vec<Message>),
    Orphans(Vec<ListedOrphan>),
    IdConflicts(Vec<IdConflict>),
    Quarantine(Vec<QuarantinedPart>),
    Callbacks(Vec<CallbackOutcome>),
    /// Only the count is known.
    Nothing,
}

/// Every kind that is present, each with at most `limit` of its newest items.
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
    Claim(ClaimPlace),
    Callback(CallbackId),
    /// A position in the journal.
    Journal(i64),
}

/// One kind, present or not, with at most `limit` items `after` a cursor, and the cursor of the
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
        ProblemKind::Rejected => services.ingest.counters().refused.load(Ordering::Relaxed),
        kind => kind.count(counts),
    }
}

/// The messages of a kind; None for kinds that are not about messages.
pub fn filter(services: &Services, kind: ProblemKind) -> Option<MessageFilter> {
    let open = MessageFilter {
        resent: Some(false),
        ..MessageFilter::default()
    };
    match kind {
        ProblemKind::Uncertain => Some(MessageFilter {
            states: vec![DeliveryState::Uncertain],
            origin: Some(Origin::Api),
            ..open
        }),
        ProblemKind::Overdue => Some(MessageFilter {
            overdue_at: Some(services.clock.now()),
            ..open
        }),
        ProblemKind::Conflicts => Some(MessageFilter {
            conflict: Some(true),
            put_aside: Some(false),
            ..open
        }),
        _ => None,
    }
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
    if let Some(filter) = filter(services, kind) {
        let page = store.list_messages(&filter, cursor, limit).await?;
        return Ok((
            ProblemItems::Messages(page.messages),
            page.next.map(ProblemCursor::Message),
        ));
    }
    Ok(match kind {
        ProblemKind::PausedAccounts => {
            let paused = paused_accounts(services, after).await?;
            let (paused, next) =
                split_page(paused, limit, |(id, _)| ProblemCursor::Account(id.clone()));
            (ProblemItems::Accounts(paused), next)
        }
        ProblemKind::Orphans => {
            let open = OrphanFilter {
                put_aside: Some(false),
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
            let callbacks = store
                .list_by_outcome(Outcome::Unverified, None, before, rows)
                .await?;
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

fn claim_cursor(conflict: &IdConflict) -> ProblemCursor {
    ProblemCursor::Claim(ClaimPlace {
        seen_at: conflict.seen_at,
        claimant: conflict.claimant,
        provider_id: conflict.provider_id.as_str().to_owned(),
    })
}

async fn paused_accounts(
    services: &Services,
    after: Option<&ProblemCursor>,
) -> Result<Vec<(AccountId, Pause)>, db::Error> {
    let accounts = services.store.list_accounts().await?;
    let is_after = |id: &AccountId| match after {
        Some(ProblemCursor::Account(last)) => id > last,
        _ => true,
    };
    Ok(accounts
        .into_values()
        .filter(|record| is_after(&record.id))
        .filter_map(|record| Some((record.id, record.pause?)))
        .collect())
}
