//! Histograms of times to delivery as they are stored: one text for each cohort, period and span.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Statement, Value};

use crate::db::Error;
use crate::db::statements;
use crate::domain::ids::AccountId;
use crate::domain::latency::{Histogram, LatencyBucket, LatencySpan};
use crate::domain::media::MediaKind;
use crate::store::entities::column_types::OrEmpty;
use crate::store::entities::latency_sum_row;
use crate::store::ledger::cohort_key::CohortKey;
use crate::store::ledger::message_counts::BUCKET_MILLIS;

const HISTOGRAMS_PER_QUERY: usize = 256;

/// Reads, changes and writes histograms: no other transaction writes meanwhile.
pub(super) async fn add_latencies(
    connection: &impl ConnectionTrait,
    mut latencies: BTreeMap<(i64, CohortKey, LatencySpan), Histogram>,
) -> Result<(), Error> {
    latencies.retain(|_, times| !times.is_empty());
    let keys: Vec<(i64, CohortKey, LatencySpan)> = latencies.keys().cloned().collect();
    for keys in keys.chunks(HISTOGRAMS_PER_QUERY) {
        for (key, stored) in find_histograms(connection, keys).await? {
            latencies.entry(key).or_default().add_all(&stored);
        }
    }
    let rows: Vec<latency_sum_row::Model> = latencies
        .into_iter()
        .map(
            |((width, (start, account, kind), span), times)| latency_sum_row::Model {
                width,
                start,
                account,
                kind,
                span,
                histogram: write_histogram(&times),
            },
        )
        .collect();
    statements::insert::<latency_sum_row::Entity>(
        connection,
        &rows.iter().collect::<Vec<_>>(),
        "ON CONFLICT (width, start, account, kind, stage) DO UPDATE SET histogram = excluded.histogram",
    )
    .await?;
    Ok(())
}

type FoundHistogram = ((i64, CohortKey, LatencySpan), Histogram);

async fn find_histograms(
    connection: &impl ConnectionTrait,
    keys: &[(i64, CohortKey, LatencySpan)],
) -> Result<Vec<FoundHistogram>, Error> {
    let backend = connection.get_database_backend();
    let types = ["bigint", "bigint", "text", "text", "text"];
    let size = keys.len().next_power_of_two();
    let mut values: Vec<Value> = Vec::with_capacity(size * types.len());
    for (width, (start, account, kind), span) in keys {
        values.extend([
            (*width).into(),
            (*start).into(),
            account.into(),
            kind.into(),
            span.into(),
        ]);
    }
    statements::pad(&mut values, types.len(), size);
    let given = statements::placeholders(backend, &types, size);
    let sql = format!(
        "SELECT width, start, account, kind, stage, histogram FROM ({given}) AS given CROSS JOIN latency_sums \
         WHERE width = given.column1 AND start = given.column2 AND account = given.column3 \
         AND kind = given.column4 AND stage = given.column5"
    );
    let statement = Statement::from_sql_and_values(backend, sql, values);
    let rows = connection.query_all_raw(statement).await?;
    rows.iter()
        .map(|row| {
            let account: AccountId = row.try_get("", "account")?;
            let kind: OrEmpty<MediaKind> = row.try_get("", "kind")?;
            let cohort = (row.try_get("", "start")?, account, kind);
            let key = (row.try_get("", "width")?, cohort, row.try_get("", "stage")?);
            let histogram: String = row.try_get("", "histogram")?;
            Ok((key, read_histogram(&histogram)?))
        })
        .collect()
}

fn write_histogram(times: &Histogram) -> String {
    let mut text = String::new();
    for (latency, messages) in times.buckets() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{}:{messages} ", latency.number());
    }
    text
}

/// Parses one stored histogram, or the concatenation of several.
pub(crate) fn read_histogram(text: &str) -> Result<Histogram, Error> {
    let mut times = Histogram::default();
    for pair in text.split_ascii_whitespace() {
        let numbers = pair.split_once(':').and_then(|(latency, messages)| {
            let latency: i64 = latency.parse().ok()?;
            Some((latency, messages.parse::<i64>().ok()?))
        });
        let (latency, messages) =
            numbers.ok_or_else(|| Error::inconsistent("latency_sums", "histogram", pair))?;
        times.add(LatencyBucket::from_number(latency), messages);
    }
    Ok(times)
}

/// The histograms of the quarter hours of a period.
pub(crate) async fn find_quarter_hours(
    connection: &impl ConnectionTrait,
    period: Range<i64>,
) -> Result<Vec<latency_sum_row::Model>, Error> {
    let rows = latency_sum_row::Entity::find()
        .filter(latency_sum_row::Column::Width.eq(BUCKET_MILLIS))
        .filter(latency_sum_row::Column::Start.gte(period.start))
        .filter(latency_sum_row::Column::Start.lt(period.end))
        .all(connection)
        .await?;
    Ok(rows)
}
