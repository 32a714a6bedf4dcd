//! The table of accounts on the overview: shares, times, and changes against the period before.

use std::collections::BTreeMap;
use std::fmt::Write;

use chrono::TimeDelta;

use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::AccountId;
use crate::domain::provider::ProviderId;
use crate::reporting::period_figures::{AccountFigures, PeriodFigures};
use crate::store::period_totals::AccountTotals;
use crate::web::dashboard::message_list_url::MessageListUrl;
use crate::web::dashboard::number_format::{count, percent, span};

static REACHED: [DeliveryState; 3] = [
    DeliveryState::Delivered,
    DeliveryState::Read,
    DeliveryState::Played,
];

#[derive(Clone, Debug)]
pub(super) struct AccountFiguresRow {
    pub(super) account: String,
    pub(super) provider: &'static str,
    pub(super) href: String,
    pub(super) attempted: String,
    pub(super) delivered: ShareCell,
    pub(super) read: ShareCell,
    pub(super) failed: ShareCell,
    /// Half, and 95 of 100, were delivered within.
    pub(super) median: String,
    pub(super) slowest: String,
    pub(super) unreported: ShareCell,
    /// Width and path of the line.
    pub(super) points: usize,
    pub(super) line: String,
}

#[derive(Clone, Debug)]
pub(super) struct ShareCell {
    pub(super) value: String,
    /// In points against the period before, or `so far`.
    pub(super) change: Option<String>,
    pub(super) is_worse: bool,
    pub(super) href: Option<String>,
}

/// Which direction is bad.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Good {
    High,
    Low,
}

pub(super) fn figures_rows(
    figures: &PeriodFigures,
    providers: &BTreeMap<AccountId, ProviderId>,
    list: &MessageListUrl,
) -> Vec<AccountFiguresRow> {
    let accounts = figures
        .accounts
        .iter()
        .filter(|(_, it)| it.current.states.attempted() > 0);
    accounts
        .map(|(account, figures)| {
            let provider = providers.get(account).map_or("", |id| id.title());
            let list = list.with(|query| query.filter.account = Some(account.clone()));
            row(account, provider, figures, &list)
        })
        .collect()
}

fn row(
    account: &AccountId,
    provider: &'static str,
    figures: &AccountFigures,
    list: &MessageListUrl,
) -> AccountFiguresRow {
    let times = &figures.current.time_to_delivered;
    let time = |percentile| {
        times
            .percentile(percentile)
            .map_or_else(|| "–".to_owned(), format_millis)
    };
    let link = |states: &[DeliveryState]| Some(list.with_states(states).href());
    let unreported = |totals: &AccountTotals| totals.states.get(DeliveryState::Submitted);
    AccountFiguresRow {
        account: account.to_string(),
        provider,
        href: format!("/accounts#{account}"),
        attempted: count(natural(figures.current.states.attempted())),
        delivered: ShareCell {
            href: link(&REACHED),
            ..share(
                figures,
                &figures.old_enough_for_delivered,
                |it| sum(it, &REACHED),
                Good::High,
            )
        },
        read: ShareCell {
            href: link(&REACHED[1..]),
            ..share(
                figures,
                &figures.old_enough_for_read,
                |it| sum(it, &REACHED[1..]),
                Good::High,
            )
        },
        failed: ShareCell {
            href: link(&[DeliveryState::Failed]),
            ..share(
                figures,
                &figures.old_enough_for_delivered,
                failed,
                Good::Low,
            )
        },
        median: time(50),
        slowest: time(95),
        // Younger messages may still be answered.
        unreported: ShareCell {
            value: percent(
                natural(unreported(&figures.old_enough_for_delivered)),
                natural(figures.old_enough_for_delivered.states.attempted()),
            ),
            ..share(
                figures,
                &figures.old_enough_for_delivered,
                unreported,
                Good::Low,
            )
        },
        points: figures.volume.len().saturating_sub(1).max(1),
        line: line(&figures.volume),
    }
}

/// The shares delivered, read and failed of all accounts, without links.
pub(super) fn total_shares(figures: &AccountFigures) -> [ShareCell; 3] {
    let reached = |states: &'static [DeliveryState]| move |it: &AccountTotals| sum(it, states);
    [
        share(
            figures,
            &figures.old_enough_for_delivered,
            reached(&REACHED),
            Good::High,
        ),
        share(
            figures,
            &figures.old_enough_for_read,
            reached(&REACHED[1..]),
            Good::High,
        ),
        share(
            figures,
            &figures.old_enough_for_delivered,
            failed,
            Good::Low,
        ),
    ]
}

/// Of the attempted messages. `old_enough` is the part that is old enough for a comparison.
fn share(
    figures: &AccountFigures,
    old_enough: &AccountTotals,
    number: impl Fn(&AccountTotals) -> i64,
    good: Good,
) -> ShareCell {
    let permille = |totals: &AccountTotals| {
        let attempted = totals.states.attempted();
        (attempted > 0).then(|| number(totals) * 1000 / attempted)
    };
    let change = match (permille(old_enough), permille(&figures.before)) {
        (Some(now), Some(before)) => Some(now - before),
        _ => None,
    };
    let text = match change {
        Some(0) => None,
        Some(change) => Some(points(change)),
        None if old_enough.states.attempted() == 0 => Some("so far".to_owned()),
        None => None,
    };
    ShareCell {
        value: percent(
            natural(number(&figures.current)),
            natural(figures.current.states.attempted()),
        ),
        change: text,
        is_worse: change.is_some_and(|change| match good {
            Good::High => change < 0,
            Good::Low => change > 0,
        }),
        href: None,
    }
}

fn points(permille: i64) -> String {
    let sign = if permille < 0 { "−" } else { "+" };
    let size = permille.unsigned_abs();
    format!("{sign}{}.{}", size / 10, size % 10)
}

fn sum(totals: &AccountTotals, states: &[DeliveryState]) -> i64 {
    states.iter().map(|state| totals.states.get(*state)).sum()
}

fn failed(totals: &AccountTotals) -> i64 {
    totals.states.failed_attempts()
}

fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a time between acceptance and delivery"
)]
fn format_millis(millis: f64) -> String {
    span(TimeDelta::milliseconds(millis.round() as i64))
}

/// A line through the values, in a drawing 20 units high.
fn line(values: &[i64]) -> String {
    let highest = values.iter().copied().max().unwrap_or_default().max(1);
    let mut path = String::new();
    for (index, value) in values.iter().enumerate() {
        let command = if index == 0 { 'M' } else { 'L' };
        let tenths = 190 - value.clamp(&0, &highest) * 180 / highest;
        // Writing into a string cannot fail.
        let _ = write!(path, "{command}{index} {}.{}", tenths / 10, tenths % 10);
    }
    path
}
