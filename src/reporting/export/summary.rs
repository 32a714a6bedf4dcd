//! Messages per day, account and kind as comma-separated values. Every row states when it was counted and in which zone its day lies.

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;

use crate::domain::delivery::{DeliveryState, Stage};
use crate::domain::latency::Histogram;
use crate::reporting::export::ByteOrderMark;
use crate::reporting::export::csv::{guarded, opening_mark, write};
use crate::reporting::statistics::{Figures, Group};

/// The columns before those of the states.
const KEY: [&str; 4] = ["day", "account", "kind", "messages"];
/// The columns after them.
const REST: [&str; 7] = [
    "observed",
    "dry_run",
    "time_to_sent_p50_ms",
    "time_to_delivered_p50_ms",
    "time_to_read_p50_ms",
    "as_of",
    "tz",
];

/// The whole file: at most one row for each day, account and kind.
pub fn write_summary<'a>(
    rows: impl Iterator<Item = (&'a Group, &'a Figures)>,
    zone: Tz,
    as_of: DateTime<Utc>,
    mark: ByteOrderMark,
) -> Vec<u8> {
    let mut bytes = opening_mark(mark);
    write(&mut bytes, |writer| {
        let states = DeliveryState::ALL.map(DeliveryState::as_str);
        writer.write_record(KEY.iter().chain(&states).chain(&REST))?;
        for (group, figures) in rows {
            for cell in cells(group, figures, zone, as_of) {
                writer.write_field(guarded(&cell).as_bytes())?;
            }
            writer.write_record(None::<&[u8]>)?;
        }
        Ok(())
    });
    bytes
}

fn cells(group: &Group, figures: &Figures, zone: Tz, as_of: DateTime<Utc>) -> Vec<String> {
    let sum =
        |states: &std::collections::BTreeMap<DeliveryState, i64>| -> i64 { states.values().sum() };
    let mut cells = vec![
        group.at.with_timezone(&zone).date_naive().to_string(),
        group.account.to_string(),
        group.kind.to_owned(),
        sum(&figures.states).to_string(),
    ];
    cells.extend(
        DeliveryState::ALL.map(|state| figures.states.get(&state).unwrap_or(&0).to_string()),
    );
    cells.push(sum(&figures.observed).to_string());
    cells.push(sum(&figures.dry_run).to_string());
    cells.extend([Stage::Sent, Stage::Delivered, Stage::Read].map(|stage| {
        let times = figures.latencies.get(&stage);
        let median = times.and_then(|times: &Histogram| times.percentile(50));
        median.map_or_else(String::new, |millis| format!("{millis:.0}"))
    }));
    cells.push(as_of.to_rfc3339_opts(SecondsFormat::Millis, true));
    cells.push(zone.name().to_owned());
    cells
}
