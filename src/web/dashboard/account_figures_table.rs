//! The table of accounts on the overview: shares, times, and changes against the period before.

use std::collections::BTreeMap;
use std::fmt::Write;

use chrono::TimeDelta;

use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::AccountId;
use crate::domain::provider::ProviderId;
use crate::reporting::number_format::{format_count, percent, span};
use crate::reporting::period_figures::{AccountFigures, PeriodFigures};
use crate::store::period_totals::AccountTotals;
use crate::web::dashboard::message_list_url::MessageListUrl;
use crate::web::dashboard::report_figures::non_negative;

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
    /// The times within which half, and 95 of 100, were delivered.
    pub(super) p50: String,
    pub(super) p95: String,
    pub(super) unreported: ShareCell,
    /// Width and path of the sparkline.
    pub(super) points: usize,
    pub(super) line: String,
}

#[derive(Clone, Debug)]
pub(super) struct ShareCell {
    pub(super) value: String,
    /// In percentage points against the period before, or `so far`.
    pub(super) change: Option<String>,
    pub(super) is_worse: bool,
    pub(super) href: Option<String>,
}

/// Whether a higher or a lower share is an improvement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Better {
    Higher,
    Lower,
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
        attempted: format_count(non_negative(figures.current.states.attempted())),
        delivered: ShareCell {
            href: link(&REACHED),
            ..share(
                figures,
                &figures.old_enough_for_delivered,
                |it| sum(it, &REACHED),
                Better::Higher,
            )
        },
        read: ShareCell {
            href: link(&REACHED[1..]),
            ..share(
                figures,
                &figures.old_enough_for_read,
                |it| sum(it, &REACHED[1..]),
                Better::Higher,
            )
        },
        failed: ShareCell {
            href: link(&[DeliveryState::Failed]),
            ..share(
                figures,
                &figures.old_enough_for_delivered,
                failed,
                Better::Lower,
            )
        },
        p50: time(50),
        p95: time(95),
        // Newer messages may still be reported on.
        unreported: ShareCell {
            value: percent(
                non_negative(unreported(&figures.old_enough_for_delivered)),
                non_negative(figures.old_enough_for_delivered.states.attempted()),
            ),
            ..share(
                figures,
                &figures.old_enough_for_delivered,
                unreported,
                Better::Lower,
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
            Better::Higher,
        ),
        share(
            figures,
            &figures.old_enough_for_read,
            reached(&REACHED[1..]),
            Better::Higher,
        ),
        share(
            figures,
            &figures.old_enough_for_delivered,
            failed,
            Better::Lower,
        ),
    ]
}

/// A share of the attempted messages. `old_enough` has those that are old enough for a comparison.
fn share(
    figures: &AccountFigures,
    old_enough: &AccountTotals,
    number: impl Fn(&AccountTotals) -> i64,
    better: Better,
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
        Some(change) => Some(format_points(change)),
        None if old_enough.states.attempted() == 0 => Some("so far".to_owned()),
        None => None,
    };
    ShareCell {
        value: percent(
            non_negative(number(&figures.current)),
            non_negative(figures.current.states.attempted()),
        ),
        change: text,
        is_worse: change.is_some_and(|change| match better {
            Better::Higher => change < 0,
            Better::Lower => change > 0,
        }),
        href: None,
    }
}

/// In percentage points: `−1.9`.
fn format_points(permille: i64) -> String {
    let sign = if permille < 0 { "−" } else { "+" };
    let size = permille.unsigned_abs();
    format!("{sign}{}.{}", size / 10, size % 10)
}

fn sum(totals: &AccountTotals, states: &[DeliveryState]) -> i64 {
    states.iter().map(|state| totals.states.get(*state)).sum()
}

fn failed(totals: &AccountTotals) -> i64 {
    totals.states.failed_after_attempt()
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
