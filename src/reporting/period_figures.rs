//! The figures of a period for the overview: messages over time, and each account beside the
//! period before.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::db;
use crate::domain::account_event::AccountEvent;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::AccountId;
use crate::store::Store;
use crate::store::period_totals::AccountTotals;

/// Events of each account that are marked.
const EVENTS_PER_ACCOUNT: usize = 8;
/// By then almost every report of `delivered` has arrived, and of `read`.
const DELIVERED_AGE: TimeDelta = TimeDelta::hours(1);
const READ_AGE: TimeDelta = TimeDelta::hours(24);

#[derive(Clone, PartialEq, Debug)]
pub struct PeriodFigures {
    pub from: DateTime<Utc>,
    /// Length of a bar.
    pub step: TimeDelta,
    pub bars: Vec<StateCounts>,
    /// Accounts that sent something in the period.
    pub accounts: BTreeMap<AccountId, AccountFigures>,
    /// Oldest first.
    pub events: Vec<AccountEvent>,
}

pub type StateCounts = BTreeMap<DeliveryState, i64>;

#[derive(Clone, PartialEq, Debug, Default)]
pub struct AccountFigures {
    pub now: AccountTotals,
    pub before: AccountTotals,
    /// The part of the period that is old enough to judge deliveries.
    pub settled: AccountTotals,
    /// The part of the period that is old enough to judge reading.
    pub read_settled: AccountTotals,
    /// Attempted messages of each bar.
    pub volume: Vec<i64>,
}

/// `step` divides the period from `from` to `now` into bars; `before` has the same length.
pub async fn compute(
    store: &Store,
    accounts: impl IntoIterator<Item = &AccountId>,
    from: DateTime<Utc>,
    now: DateTime<Utc>,
    step: TimeDelta,
) -> Result<PeriodFigures, db::Error> {
    let to = now + TimeDelta::minutes(15);
    let counts = store.count_by_step(from, to, step).await?;
    let mut totals = store.sum_by_account(from, to).await?;
    let mut before = store.sum_by_account(from - (now - from), from).await?;
    let events = store
        .list_events_since(accounts, from, EVENTS_PER_ACCOUNT)
        .await?;
    let length = (now - from).num_milliseconds() / step.num_milliseconds().max(1) + 1;
    let length = usize::try_from(length).unwrap_or_default();
    let mut figures = PeriodFigures {
        from,
        step,
        bars: vec![StateCounts::new(); length],
        accounts: BTreeMap::new(),
        events,
    };
    for count in counts {
        let Some(index) = usize::try_from(count.step).ok().filter(|it| *it < length) else {
            continue;
        };
        let state = count.state;
        *figures.bars[index].entry(state).or_default() += count.messages;
        let account = figures
            .accounts
            .entry(count.account.clone())
            .or_insert_with(|| AccountFigures {
                now: totals.remove(&count.account).unwrap_or_default(),
                before: before.remove(&count.account).unwrap_or_default(),
                volume: vec![0; length],
                ..AccountFigures::default()
            });
        let end = from + step * i32::try_from(index + 1).unwrap_or(i32::MAX);
        for (part, age) in [
            (&mut account.settled, DELIVERED_AGE),
            (&mut account.read_settled, READ_AGE),
        ] {
            if end + age <= now {
                *part.states.entry(state).or_default() += count.messages;
            }
        }
        if !matches!(state, DeliveryState::Queued | DeliveryState::Cancelled) {
            account.volume[index] += count.messages;
        }
    }
    Ok(figures)
}
