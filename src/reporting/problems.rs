//! What needs a person: every kind of problem with its count, why it is one, what to do next, and which things it is about.

use std::sync::atomic::Ordering;

use crate::db;
use crate::domain::delivery::DeliveryState;
use crate::domain::ids::{AccountId, CallbackId};
use crate::domain::message::{Message, Origin};
use crate::reporting::orphan_views::{self, Orphan};
use crate::services::Services;
use crate::store::accounts::Pause;
use crate::store::callbacks::{CallbackOutcome, Outcome};
use crate::store::messages::{Cursor, MessageFilter};
use crate::store::orphans::OrphanFilter;
use crate::store::problems::{ClaimPlace, IdConflict, QuarantinedPart};
use crate::store::reports::Problems;

/// A kind of problem.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProblemKind {
    /// Accounts that do not send.
    PausedAccounts,
    /// Handed over, outcome unknown.
    Uncertain,
    /// Handed over, and silence since.
    Overdue,
    /// On the phone and reported as failed.
    Conflicts,
    /// Reports that match no message.
    Orphans,
    /// Ids that two sent messages claim.
    IdConflicts,
    /// Callbacks, or parts of them, that could not be understood.
    Quarantine,
    /// Callbacks that failed authentication.
    Unverified,
    /// Requests to callback addresses that were refused.
    Rejected,
}

impl ProblemKind {
    /// Every kind, the costliest first.
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

    /// The word used in addresses.
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

    /// Its name as people read it.
    pub fn title(self) -> &'static str {
        match self {
            Self::PausedAccounts => "Paused accounts",
            Self::Uncertain => "Outcome unknown",
            Self::Overdue => "Overdue",
            Self::Conflicts => "Delivered and failed",
            Self::Orphans => "Unmatched reports",
            Self::IdConflicts => "Ids claimed twice",
            Self::Quarantine => "Unreadable callbacks",
            Self::Unverified => "Unverified callbacks",
            Self::Rejected => "Refused requests",
        }
    }

    /// Why it is a problem.
    pub fn why(self) -> &'static str {
        match self {
            Self::PausedAccounts => {
                "The provider refused the account: its key, balance or number. Every other message would end the same way, so they wait."
            }
            Self::Uncertain => {
                "The request left us and no clear answer came back. It may have been sent, so it is never repeated by itself."
            }
            Self::Overdue => {
                "The provider took them, and nothing was heard within the account's deadline."
            }
            Self::Conflicts => {
                "One report says that it is on the phone, another that it failed; several devices can do this. The phone counts."
            }
            Self::Orphans => {
                "Providers report on messages that were not sent from here, or whose id is not known yet."
            }
            Self::IdConflicts => {
                "A provider gave two of our messages the same id. The first one keeps it; reports by that id go there."
            }
            Self::Quarantine => {
                "A provider said something that could not be understood. Nothing of it is lost: the whole request is kept."
            }
            Self::Unverified => {
                "They came to the right address without the right secret. They are kept and not applied."
            }
            Self::Rejected => {
                "Requests to a callback address that names no account or has a wrong token, since this process started. Nothing of them is kept."
            }
        }
    }

    /// What a person does next.
    pub fn next_step(self) -> &'static str {
        match self {
            Self::PausedAccounts => {
                "Mend what the provider names below in its console, then resume."
            }
            Self::Uncertain => {
                "Look in the provider's console or ask the customer. Then send again, which may be charged twice, or mark as failed. A late report settles it by itself."
            }
            Self::Overdue => {
                "Check that the account's callbacks arrive. Where they do, the phone is probably off: wait, or mark as failed."
            }
            Self::Conflicts => {
                "Nothing has to be done for the customer. Open the message to see both reports and whose code it was, then put it aside."
            }
            Self::Orphans => {
                "Match a report with its message where you know it. What nobody claims becomes a message \u{201c}sent elsewhere\u{201d} by itself, unless adoption is off. What is nobody's can be put aside until more is heard."
            }
            Self::IdConflicts => {
                "Compare both messages; the one without reports may have arrived all the same. Tell the provider."
            }
            Self::Quarantine => {
                "Open the callback and compare it with what the provider documents. Names of your own choice belong into callback_fields. Once that is mended, or after an update, read it again."
            }
            Self::Unverified => {
                "Compare the secret in the provider's console with callback_auth in the configuration. Release what you know to be the provider's."
            }
            Self::Rejected => {
                "Compare the address in each provider's console with the one on the page Accounts."
            }
        }
    }

    /// How many there are, as the database counts them; refusals are counted by the process alone.
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

/// One kind of problem and the newest things it is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProblemList {
    /// Which kind.
    pub kind: ProblemKind,
    /// How many there are.
    pub count: u64,
    /// The newest of them.
    pub items: Items,
}

/// What a problem is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Items {
    /// Accounts, and why they are paused.
    Accounts(Vec<(AccountId, Pause)>),
    /// Messages.
    Messages(Vec<Message>),
    /// Messages known only from callbacks.
    Orphans(Vec<Orphan>),
    /// Ids that two messages claim.
    IdConflicts(Vec<IdConflict>),
    /// Parts of callbacks.
    Quarantine(Vec<QuarantinedPart>),
    /// Whole callbacks.
    Callbacks(Vec<CallbackOutcome>),
    /// Only the count is known.
    Nothing,
}

/// Every kind of problem that is present, each with at most `limit` of its newest things.
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

/// Where a page of one kind's things ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// After this message or orphan.
    Message(Cursor),
    /// After this account.
    Account(AccountId),
    /// After this claim.
    Claim(ClaimPlace),
    /// After this callback.
    Callback(CallbackId),
    /// After this place in the journal.
    Journal(i64),
}

/// One kind of problem, present or not, with at most `limit` of its things that come `after` a place, and where the next ones begin.
pub async fn find(
    services: &Services,
    kind: ProblemKind,
    after: Option<&Place>,
    limit: usize,
) -> Result<(ProblemList, Option<Place>), db::Error> {
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

/// Which messages a kind of problem is about; absent where it is about something else.
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
    after: Option<&Place>,
    limit: usize,
) -> Result<(Items, Option<Place>), db::Error> {
    let store = &services.store;
    // One more tells whether there are more.
    let rows = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let cursor = match after {
        Some(Place::Message(cursor)) => Some(*cursor),
        _ => None,
    };
    if let Some(filter) = filter(services, kind) {
        let page = store.list_messages(&filter, cursor, limit).await?;
        return Ok((
            Items::Messages(page.messages),
            page.next.map(Place::Message),
        ));
    }
    Ok(match kind {
        ProblemKind::PausedAccounts => {
            let paused = paused_accounts(services, after).await?;
            let (paused, next) = cut(paused, limit, |(id, _)| Place::Account(id.clone()));
            (Items::Accounts(paused), next)
        }
        ProblemKind::Orphans => {
            let open = OrphanFilter {
                put_aside: Some(false),
                ..OrphanFilter::default()
            };
            let (orphans, next) = orphan_views::list(store, &open, cursor, limit).await?;
            (Items::Orphans(orphans), next.map(Place::Message))
        }
        ProblemKind::IdConflicts => {
            let after = match after {
                Some(Place::Claim(place)) => Some(place),
                _ => None,
            };
            let conflicts = store.list_id_conflicts(after, rows).await?;
            let (conflicts, next) = cut(conflicts, limit, claim_place);
            (Items::IdConflicts(conflicts), next)
        }
        ProblemKind::Quarantine => {
            let before = match after {
                Some(Place::Callback(callback)) => Some(*callback),
                _ => None,
            };
            let parts = store.list_quarantine(before, rows).await?;
            let (parts, next) = cut(parts, limit, |part| Place::Callback(part.callback));
            (Items::Quarantine(parts), next)
        }
        ProblemKind::Unverified => {
            let before = match after {
                Some(Place::Journal(seq)) => Some(*seq),
                _ => None,
            };
            let callbacks = store
                .list_by_outcome(Outcome::Unverified, None, before, rows)
                .await?;
            let (callbacks, next) = cut(callbacks, limit, |one| Place::Journal(one.seq));
            (Items::Callbacks(callbacks), next)
        }
        _ => (Items::Nothing, None),
    })
}

/// The first `limit` things, and the place of the last one where more were found.
fn cut<T>(
    mut things: Vec<T>,
    limit: usize,
    place: impl Fn(&T) -> Place,
) -> (Vec<T>, Option<Place>) {
    let more = things.len() > limit;
    things.truncate(limit);
    let next = things.last().filter(|_| more).map(place);
    (things, next)
}

fn claim_place(conflict: &IdConflict) -> Place {
    Place::Claim(ClaimPlace {
        seen_at: conflict.seen_at,
        claimant: conflict.claimant,
        provider_id: conflict.provider_id.as_str().to_owned(),
    })
}

async fn paused_accounts(
    services: &Services,
    after: Option<&Place>,
) -> Result<Vec<(AccountId, Pause)>, db::Error> {
    let accounts = services.store.list_accounts().await?;
    let comes_after = |id: &AccountId| match after {
        Some(Place::Account(last)) => id > last,
        _ => true,
    };
    Ok(accounts
        .into_values()
        .filter(|record| comes_after(&record.id))
        .filter_map(|record| Some((record.id, record.pause?)))
        .collect())
}
