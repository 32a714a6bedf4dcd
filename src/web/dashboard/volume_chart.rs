//! The chart of messages over time: bars stacked by state, failed ones below the zero line, events
//! of accounts as numbered marks, and the same numbers as a table.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::domain::delivery_state::DeliveryState;
use crate::domain::float_count::as_float;
use crate::domain::scope::Visibility;
use crate::reporting::number_format::counted;
use crate::reporting::period_figures::{BarWidth, PeriodFigures, StateCounts};
use crate::web::dashboard::event_rows::EventRow;
use crate::web::dashboard::report_figures::{count_text, non_negative};

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
        "Sending, submitted or uncertain",
        &[
            DeliveryState::Sending,
            DeliveryState::Uncertain,
            DeliveryState::Submitted,
        ],
    ),
];
const MAX_LABELS: usize = 8;
/// Width of the narrowest chart that shows the last label, in pixels.
const MIN_WIDTH: usize = 680;
/// In pixels.
const LETTER_WIDTH: usize = 7;

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
    /// SVG's `text-anchor`: where the text would not fit, it is to the left of the position.
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
        let total: i64 = bars.iter().map(all).sum();
        let most = bars.iter().map(all).max().unwrap_or_default();
        let all_failed: i64 = bars.iter().map(failed).sum();
        Self {
            unit: match figures.width {
                BarWidth::QuarterHour => "quarter of an hour",
                BarWidth::Hour => "hour",
                BarWidth::SixHours => "6 hours",
                BarWidth::Day => "day",
            },
            summary: format!(
                "{}, {} of them failed; at most {} in one bar",
                counted(non_negative(total), "message", "messages"),
                count_text(all_failed),
                count_text(most)
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

/// Without queued and cancelled messages.
fn all(bar: &StateCounts) -> i64 {
    above(bar) + failed(bar)
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
        let (all, failed) = (all(bar), count_text(failed(bar)));
        ChartBar {
            index,
            title: format!(
                "{time}: {}, {failed} of them failed",
                counted(non_negative(all), "message", "messages")
            ),
            time,
            cells: LAYERS
                .iter()
                .map(|(.., states)| count_text(sum(bar, states)))
                .collect(),
            failed,
            is_empty: all == 0,
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
        .map(|index| {
            let format = if labels_are_dates { "%-d %b" } else { "%H:%M" };
            let text = local(index).format(format).to_string();
            let left = index * MIN_WIDTH / figures.bars.len().max(1);
            let fits = left + text.len() * LETTER_WIDTH <= MIN_WIDTH;
            ChartLabel {
                left_percent: left_percent(as_float_index(index)),
                text,
                anchor: if fits { "start" } else { "end" },
            }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::TimeDelta;

    use super::*;
    use crate::reporting::period_figures::AccountFigures;

    fn chart(width: BarWidth, step: TimeDelta, bars: Vec<StateCounts>) -> VolumeChart {
        let from: DateTime<Utc> = "2026-11-01T00:00:00Z".parse().unwrap();
        let starts = (0..).zip(&bars).map(|(index, _)| from + step * index);
        let figures = PeriodFigures {
            starts: starts.collect(),
            to: from + step * i32::try_from(bars.len()).unwrap(),
            width,
            bars,
            total: AccountFigures::default(),
            accounts: BTreeMap::new(),
            events: Vec::new(),
        };
        VolumeChart::new(&figures, Tz::UTC, Visibility::Full)
    }

    #[test]
    fn the_summary_counts_the_fullest_bar_and_names_no_state_that_not_all_have() {
        use DeliveryState::{Delivered, Failed, Sending, Uncertain};
        let bars = vec![
            StateCounts::from([(Delivered, 1_200), (Sending, 3), (Uncertain, 2)]),
            StateCounts::from([(Delivered, 10), (Failed, 700)]),
            StateCounts::from([(Failed, 1)]),
        ];
        let chart = chart(BarWidth::Hour, TimeDelta::hours(1), bars);
        assert_eq!(
            chart.summary,
            "1,916 messages, 701 of them failed; at most 1,205 in one bar"
        );
        let titles: Vec<&str> = chart.bars.iter().map(|bar| bar.title.as_str()).collect();
        assert_eq!(
            titles,
            [
                "Sun 1 Nov 00:00: 1,205 messages, 0 of them failed",
                "Sun 1 Nov 01:00: 710 messages, 700 of them failed",
                "Sun 1 Nov 02:00: 1 message, 1 of them failed",
            ]
        );
        let last = chart.layers.last().map(|layer| layer.name);
        assert_eq!(last, Some("Sending, submitted or uncertain"));
    }

    #[test]
    fn a_label_is_on_the_left_of_its_place_only_where_it_would_not_fit() {
        for (days, anchors) in [
            // At 87.5 % and less.
            (8, ["start"; 8].to_vec()),
            // At 93.3 %: `29 Nov` takes 6.2 %.
            (30, ["start"; 8].to_vec()),
            // At 96.6 %.
            (29, [["start"; 7].as_slice(), &["end"]].concat()),
        ] {
            let bars = vec![StateCounts::new(); days];
            let chart = chart(BarWidth::Day, TimeDelta::days(1), bars);
            let shown: Vec<&str> = chart.labels.iter().map(|label| label.anchor).collect();
            assert_eq!(shown, anchors, "{days}");
        }
    }
}
