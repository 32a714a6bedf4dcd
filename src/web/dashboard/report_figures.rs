//! The tables of deliveries on `/reports`: counts, shares, changes and costs as text.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::domain::amount::CurrencyTotals;
use crate::domain::delivery_state::DeliveryState;
use crate::reporting::delivery_summary::{Interval, SummaryFigures, SummaryGroup};
use crate::reporting::number_format::{format_count, percent, permille};

/// Rows of one table; the files have all of them.
pub(super) const ROWS_SHOWN: usize = 500;

#[derive(Clone, Debug)]
pub(super) struct ReportRow {
    /// Day, account, kind and campaign, as far as the table has them.
    pub(super) labels: Vec<String>,
    pub(super) messages: Figure,
    pub(super) delivered: String,
    pub(super) delivered_share: Figure,
    pub(super) read: String,
    pub(super) read_share: Figure,
    pub(super) failed: String,
    pub(super) failed_share: Figure,
    pub(super) cost: Figure,
}

/// A number, and its change against the period before.
#[derive(Clone, Debug, Default)]
pub(super) struct Figure {
    pub(super) text: String,
    pub(super) change: Option<String>,
}

/// Whether a share of this period can be compared with the period before: only if the messages are
/// old enough for almost all reports.
#[derive(Clone, Copy, Debug)]
pub(super) struct ComparableShares {
    pub(super) delivered: bool,
    pub(super) read: bool,
}

impl ReportRow {
    /// Without changes.
    pub(super) fn new(labels: Vec<String>, figures: &SummaryFigures) -> Self {
        let whole = figures.states.attempted();
        let share = |part| Figure::plain(percent(non_negative(part), non_negative(whole)));
        Self {
            labels,
            messages: Figure::plain(count_text(figures.states.messages())),
            delivered: count_text(figures.delivered()),
            delivered_share: share(figures.delivered()),
            read: count_text(figures.read()),
            read_share: share(figures.read()),
            failed: count_text(figures.states.get(DeliveryState::Failed)),
            failed_share: share(figures.states.failed_after_attempt()),
            cost: Figure::plain(money(&figures.cost.totals)),
        }
    }

    /// With changes against the same row of the period before.
    pub(super) fn compared(
        labels: Vec<String>,
        figures: &SummaryFigures,
        before: &SummaryFigures,
        comparable: ComparableShares,
    ) -> Self {
        let mut row = Self::new(labels, figures);
        let points = |part: fn(&SummaryFigures) -> i64| {
            point_change(
                (part(figures), figures.states.attempted()),
                (part(before), before.states.attempted()),
            )
        };
        row.messages.change = relative_change(
            Decimal::from(figures.states.messages()),
            Decimal::from(before.states.messages()),
        );
        if comparable.delivered {
            row.delivered_share.change = points(SummaryFigures::delivered);
            row.failed_share.change = points(|it| it.states.failed_after_attempt());
        }
        if comparable.read {
            row.read_share.change = points(SummaryFigures::read);
        }
        row.cost.change = cost_change(&figures.cost.totals, &before.cost.totals);
        row
    }
}

impl Figure {
    pub(super) fn plain(text: String) -> Self {
        Self { text, change: None }
    }
}

/// The first rows of a table, and how many more there are.
pub(super) fn rows(
    groups: &BTreeMap<SummaryGroup, SummaryFigures>,
    interval: Interval,
) -> (Vec<ReportRow>, usize) {
    let shown = groups.iter().take(ROWS_SHOWN);
    let shown = shown.map(|(group, figures)| ReportRow::new(labels(group, interval), figures));
    (shown.collect(), groups.len().saturating_sub(ROWS_SHOWN))
}

fn labels(group: &SummaryGroup, interval: Interval) -> Vec<String> {
    let named = |text: &str, without: &str| {
        if text.is_empty() {
            without.to_owned()
        } else {
            text.to_owned()
        }
    };
    [
        group.day.map(|day| interval_label(day, interval)),
        group.account.as_ref().map(ToString::to_string),
        group.kind.map(|kind| named(kind, "unknown kind")),
        group
            .campaign
            .as_deref()
            .map(|id| named(id, "outside campaigns")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn interval_label(day: NaiveDate, interval: Interval) -> String {
    match interval {
        Interval::Day => day.format("%a %-d %b %Y").to_string(),
        Interval::Week => format!("from {}", day.format("%a %-d %b %Y")),
        Interval::Month => day.format("%B %Y").to_string(),
    }
}

pub(super) fn count_text(number: i64) -> String {
    format_count(non_negative(number))
}

/// A negative count would be a bug in the ledger; it counts as 0 here.
pub(super) fn non_negative(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// `INR 207,437.50 · USD 3.00 · 7.20 (no currency)`; `–` without any. Small amounts have four decimals.
/// A line may break only between amounts.
pub(super) fn money(totals: &CurrencyTotals) -> String {
    if totals.is_empty() {
        return "–".to_owned();
    }
    let parts: Vec<String> = totals
        .iter()
        .map(|(currency, amount)| match currency {
            // Some providers report a price alone.
            "" => format!("{}\u{a0}(no\u{a0}currency)", amount_text(amount)),
            _ => format!("{currency}\u{a0}{}", amount_text(amount)),
        })
        .collect();
    parts.join(" · ")
}

pub(super) fn amount_text(amount: Decimal) -> String {
    let decimals = if amount.abs() < Decimal::ONE { 4 } else { 2 };
    let text = format!("{:.1$}", amount.abs().round_dp(decimals), decimals as usize);
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, "00"));
    let whole = whole
        .parse()
        .map_or_else(|_| whole.to_owned(), format_count);
    let sign = if amount.is_sign_negative() { "−" } else { "" };
    format!("{sign}{whole}.{decimals}")
}

/// `None` unless both periods have costs in exactly one currency, and in the same one.
pub(super) fn cost_change(now: &CurrencyTotals, before: &CurrencyTotals) -> Option<String> {
    let one = |totals: &CurrencyTotals| {
        let mut amounts = totals.iter();
        let (currency, amount) = amounts.next()?;
        amounts
            .next()
            .is_none()
            .then(|| (currency.to_owned(), amount))
    };
    let ((currency, now), (currency_before, before)) = (one(now)?, one(before)?);
    if currency == currency_before {
        relative_change(now, before)
    } else {
        None
    }
}

/// In percent. A larger change says only that there was almost nothing before.
const LARGEST_CHANGE: i64 = 999;

/// `+12 %`; `None` if there was nothing, or almost nothing, before.
pub(super) fn relative_change(now: Decimal, before: Decimal) -> Option<String> {
    let share = (now - before)
        .checked_mul(Decimal::ONE_HUNDRED)?
        .checked_div(before)?;
    let percent = share.round().to_i64()?;
    (percent <= LARGEST_CHANGE).then(|| match percent {
        0 => "±0 %".to_owned(),
        1.. => format!("+{} %", format_count(non_negative(percent))),
        _ => format!("−{} %", format_count(percent.unsigned_abs())),
    })
}

/// In percentage points: `−1.9`.
fn point_change(now: (i64, i64), before: (i64, i64)) -> Option<String> {
    if now.1 <= 0 || before.1 <= 0 {
        return None;
    }
    let share = |(part, whole)| i128::from(permille(non_negative(part), non_negative(whole)));
    let change = share(now) - share(before);
    let size = change.unsigned_abs();
    let sign = match change {
        0 => return Some("±0".to_owned()),
        1.. => '+',
        _ => '−',
    };
    Some(format!("{sign}{}.{}", size / 10, size % 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(amounts: &[(&str, &str)]) -> CurrencyTotals {
        let mut totals = CurrencyTotals::default();
        for (currency, amount) in amounts {
            totals.add(currency, amount.parse().unwrap());
        }
        totals
    }

    #[test]
    fn amounts_are_grouped_and_currencies_stay_apart() {
        assert_eq!(
            money(&totals(&[("INR", "207437.5"), ("USD", "0.0529")])),
            "INR\u{a0}207,437.50 · USD\u{a0}0.0529"
        );
        assert_eq!(money(&totals(&[("", "2")])), "2.00\u{a0}(no\u{a0}currency)");
        assert_eq!(money(&CurrencyTotals::default()), "–");
        assert_eq!(amount_text("-1234.567".parse().unwrap()), "−1,234.57");
    }

    #[test]
    fn changes_are_relative_or_in_points() {
        let change = |now: &str, before: &str| {
            relative_change(now.parse().unwrap(), before.parse().unwrap())
        };
        assert_eq!(change("125", "100").as_deref(), Some("+25 %"));
        assert_eq!(change("75", "100").as_deref(), Some("−25 %"));
        assert_eq!(change("100.1", "100").as_deref(), Some("±0 %"));
        assert_eq!(change("5", "0"), None);
        assert_eq!(change("1099", "100").as_deref(), Some("+999 %"));
        assert_eq!(change("1100", "100"), None);
        assert_eq!(point_change((95, 100), (96, 100)).as_deref(), Some("−1.0"));
        assert_eq!(point_change((95, 100), (0, 0)), None);
        assert_eq!(
            cost_change(&totals(&[("INR", "2")]), &totals(&[("USD", "1")])),
            None
        );
    }
}
