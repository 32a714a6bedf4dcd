//! Messages per day, account and kind as CSV. Every row states when it was counted and the time
//! zone of its day.

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;

use crate::domain::delivery_state::{DeliveryState, Stage};
use crate::domain::latency::Histogram;
use crate::reporting::bucketed_statistics::{GroupStatistics, StatisticsGroup};
use crate::reporting::export::csv::{ByteOrderMark, byte_order_mark, escape_formula, write};

/// The columns before the states.
const FIRST_COLUMNS: [&str; 4] = ["day", "account", "kind", "messages"];
/// The columns after the states.
const LAST_COLUMNS: [&str; 7] = [
    "observed",
    "dry_run",
    "time_to_sent_p50_ms",
    "time_to_delivered_p50_ms",
    "time_to_read_p50_ms",
    "as_of",
    "tz",
];

/// At most one row per day, account and kind.
pub fn write_summary<'a>(
    rows: impl Iterator<Item = (&'a StatisticsGroup, &'a GroupStatistics)>,
    zone: Tz,
    as_of: DateTime<Utc>,
    mark: ByteOrderMark,
) -> Vec<u8> {
    let mut bytes = byte_order_mark(mark);
    write(&mut bytes, |writer| {
        let states = DeliveryState::ALL.map(DeliveryState::as_str);
        writer.write_record(FIRST_COLUMNS.iter().chain(&states).chain(&LAST_COLUMNS))?;
        for (group, statistics) in rows {
            for cell in cells(group, statistics, zone, as_of) {
                writer.write_field(escape_formula(&cell).as_bytes())?;
            }
            writer.write_record(None::<&[u8]>)?;
        }
        Ok(())
    });
    bytes
}

fn cells(
    group: &StatisticsGroup,
    statistics: &GroupStatistics,
    zone: Tz,
    as_of: DateTime<Utc>,
) -> Vec<String> {
    let sum =
        |states: &std::collections::BTreeMap<DeliveryState, i64>| -> i64 { states.values().sum() };
    let mut cells = vec![
        group.at.with_timezone(&zone).date_naive().to_string(),
        group.account.to_string(),
        group.kind.to_owned(),
        sum(&statistics.states).to_string(),
    ];
    cells.extend(
        DeliveryState::ALL.map(|state| statistics.states.get(&state).unwrap_or(&0).to_string()),
    );
    cells.push(sum(&statistics.observed).to_string());
    cells.push(sum(&statistics.dry_run).to_string());
    cells.extend([Stage::Sent, Stage::Delivered, Stage::Read].map(|stage| {
        let times = statistics.latencies.get(&stage);
        let median = times.and_then(|times: &Histogram| times.percentile(50));
        median.map_or_else(String::new, |millis| format!("{millis:.0}"))
    }));
    cells.push(as_of.to_rfc3339_opts(SecondsFormat::Millis, true));
    cells.push(zone.name().to_owned());
    cells
}
