//! The chart of messages over time: bars stacked by state, failed ones below the zero line, events
//! of accounts as numbered marks, and the same numbers as a table.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::domain::delivery_state::DeliveryState;
use crate::domain::float_count::as_float;
use crate::domain::scope::Visibility;
use crate::reporting::period_figures::{BarWidth, PeriodFigures, StateCounts};
use crate::web::dashboard::event_rows::EventRow;
use crate::web::dashboard::report_figures::count_text;

/// Height of the SVG's `viewBox`.
const HEIGHT: f64 = 200.0;
/// From the zero line upwards.
const LAYERS: [(&str, &str, &[DeliveryState]); 4] = [
    (
        "read",
        "Read",
        &[DeliveryState::Read, DeliveryState::Played],
    ),
    ("delivered", "Delivered", &[DeliveryState::Delivered]),
    ("sent", "Sent", &[DeliveryState::Sent]),
    (
        "submitted",
        "Submitted",
        &[
            DeliveryState::Sending,
            DeliveryState::Uncertain,
            DeliveryState::Submitted,
        ],
    ),
];
const MAX_LABELS: usize = 8;

#[derive(Clone, Debug)]
pub(super) struct VolumeChart {
    /// `hour`, `6 hours`.
    pub(super) unit: &'static str,
    pub(super) summary: String,
    pub(super) width: usize,
    /// Vertical position of the zero line.
    pub(super) zero: String,
    /// The highest count above the zero line.
    pub(super) highest_above_line: String,
    pub(super) layers: Vec<ChartLayer>,
    pub(super) failed_path: String,
    pub(super) bars: Vec<ChartBar>,
    pub(super) labels: Vec<ChartLabel>,
    pub(super) marks: Vec<ChartMark>,
}

#[derive(Clone, Debug)]
pub(super) struct ChartLayer {
    pub(super) class: &'static str,
    pub(super) name: &'static str,
    pub(super) path: String,
}

/// A row of the table, and the title of a bar.
#[derive(Clone, Debug)]
pub(super) struct ChartBar {
    pub(super) index: usize,
    pub(super) time: String,
    pub(super) cells: Vec<String>,
    pub(super) failed: String,
    pub(super) title: String,
    pub(super) is_empty: bool,
}

#[derive(Clone, Debug)]
pub(super) struct ChartLabel {
    /// Distance from the left end, in percent.
    pub(super) left_percent: String,
    pub(super) text: String,
    /// SVG's `text-anchor`: near the right end, the text is to the left of the position.
    pub(super) anchor: &'static str,
}

#[derive(Clone, Debug)]
pub(super) struct ChartMark {
    pub(super) number: usize,
    /// Distance from the left end, in percent.
    pub(super) left_percent: String,
    pub(super) account: String,
    pub(super) event: EventRow,
}

impl VolumeChart {
    pub(super) fn new(figures: &PeriodFigures, zone: Tz, viewer: Visibility) -> Self {
        let bars = &figures.bars;
        let up = bars.iter().map(above).max().unwrap_or_default();
        let down = bars.iter().map(failed).max().unwrap_or_default();
        let scale = HEIGHT / as_float((up + down).max(1));
        let zero = as_float(up) * scale;
        let width = bars.len();
        let left_percent =
            |position: f64| format!("{:.2}", position * 100.0 / as_float_index(width.max(1)));
        let total: i64 = bars.iter().map(|bar| above(bar) + failed(bar)).sum();
        let all_failed: i64 = bars.iter().map(failed).sum();
        Self {
            unit: match figures.width {
                BarWidth::QuarterHour => "quarter of an hour",
                BarWidth::Hour => "hour",
                BarWidth::SixHours => "6 hours",
                BarWidth::Day => "day",
            },
            summary: format!(
                "{} messages submitted, {} of them failed; at most {} in one bar",
                count_text(total),
                count_text(all_failed),
                count_text(up + down)
            ),
            width,
            zero: format!("{zero:.1}"),
            highest_above_line: count_text(up),
            layers: LAYERS
                .iter()
                .enumerate()
                .map(|(layer, (class, name, _))| ChartLayer {
                    class,
                    name,
                    path: layer_path(bars, layer, zero, scale),
                })
                .collect(),
            failed_path: failed_path(bars, zero, scale),
            bars: chart_bars(figures, zone),
            labels: labels(figures, zone, &left_percent),
            marks: figures
                .events
                .iter()
                .enumerate()
                .map(|(index, event)| ChartMark {
                    number: index + 1,
                    left_percent: left_percent(bar_position(figures, event.at)),
                    account: event.account.to_string(),
                    event: EventRow::new(event, viewer),
                })
                .collect(),
        }
    }
}

fn sum(bar: &StateCounts, states: &[DeliveryState]) -> i64 {
    let counted = states.iter().filter_map(|state| bar.get(state));
    counted.sum::<i64>().max(0)
}

/// Messages above the zero line.
fn above(bar: &StateCounts) -> i64 {
    LAYERS.iter().map(|(.., states)| sum(bar, states)).sum()
}

fn failed(bar: &StateCounts) -> i64 {
    sum(bar, &[DeliveryState::Failed])
}

fn layer_path(bars: &[StateCounts], layer: usize, zero: f64, scale: f64) -> String {
    let mut path = String::new();
    for (index, bar) in bars.iter().enumerate() {
        let below: i64 = LAYERS[..layer]
            .iter()
            .map(|(.., states)| sum(bar, states))
            .sum();
        let height = as_float(sum(bar, LAYERS[layer].2)) * scale;
        let top = zero - as_float(below) * scale - height;
        add_bar(&mut path, index, top, height);
    }
    path
}

fn failed_path(bars: &[StateCounts], zero: f64, scale: f64) -> String {
    let mut path = String::new();
    for (index, bar) in bars.iter().enumerate() {
        add_bar(&mut path, index, zero, as_float(failed(bar)) * scale);
    }
    path
}

fn add_bar(path: &mut String, index: usize, top: f64, height: f64) {
    if height > 0.0 {
        let left = as_float_index(index) + 0.07;
        // Writing into a string cannot fail.
        let _ = write!(path, "M{left:.2} {top:.1}h.86v{height:.1}h-.86z");
    }
}

fn chart_bars(figures: &PeriodFigures, zone: Tz) -> Vec<ChartBar> {
    let bar = |(index, bar): (usize, &StateCounts)| {
        let time = figures.starts[index].with_timezone(&zone);
        let format = match figures.width {
            BarWidth::Day => "%a %-d %b",
            BarWidth::QuarterHour | BarWidth::Hour | BarWidth::SixHours => "%a %-d %b %H:%M",
        };
        let time = time.format(format).to_string();
        let (up, down) = (above(bar), failed(bar));
        ChartBar {
            index,
            title: format!(
                "{time}: {} submitted, {} failed",
                count_text(up + down),
                count_text(down)
            ),
            time,
            cells: LAYERS
                .iter()
                .map(|(.., states)| count_text(sum(bar, states)))
                .collect(),
            failed: count_text(down),
            is_empty: up + down == 0,
        }
    };
    figures.bars.iter().enumerate().map(bar).collect()
}

/// At most [`MAX_LABELS`] labels at equal distances. With bars longer than a quarter hour, only the
/// first bar of each day gets one.
fn labels(
    figures: &PeriodFigures,
    zone: Tz,
    left_percent: &impl Fn(f64) -> String,
) -> Vec<ChartLabel> {
    let labels_are_dates = figures.width != BarWidth::QuarterHour;
    let local = |index: usize| figures.starts[index].with_timezone(&zone);
    let begins_day = |index: &usize| {
        let before = index.checked_sub(1).map(local);
        before.is_none_or(|before| before.date_naive() != local(*index).date_naive())
    };
    let candidates: Vec<usize> = (0..figures.bars.len())
        .filter(|index| !labels_are_dates || begins_day(index))
        .collect();
    let distance = candidates.len().div_ceil(MAX_LABELS).max(1);
    let chosen = candidates.into_iter().step_by(distance);
    chosen
        .map(|index| ChartLabel {
            left_percent: left_percent(as_float_index(index)),
            text: local(index)
                .format(if labels_are_dates { "%-d %b" } else { "%H:%M" })
                .to_string(),
            anchor: if index * 10 < figures.bars.len() * 9 {
                "start"
            } else {
                "end"
            },
        })
        .collect()
}

/// Position on the x axis, in bars.
fn bar_position(figures: &PeriodFigures, at: DateTime<Utc>) -> f64 {
    let after = figures.starts.partition_point(|start| *start <= at);
    let index = after.saturating_sub(1);
    let start = figures.starts.get(index).copied().unwrap_or(at);
    let end = figures.starts.get(after).copied().unwrap_or(figures.to);
    let within = as_float((at - start).num_seconds());
    as_float_index(index) + within / as_float((end - start).num_seconds().max(1))
}

fn as_float_index(index: usize) -> f64 {
    as_float(i64::try_from(index).unwrap_or(i64::MAX))
}
