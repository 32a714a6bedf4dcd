//! Counts per quarter hour: every change adds the difference between the row before and the row after.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, Statement, Value};

use crate::domain::delivery::Stage;
use crate::domain::latency::LatencyBucket;
use crate::domain::message::Origin;
use crate::store::Error;
use crate::store::entities::messages::Model;
use crate::store::ledger::Ledger;
use crate::store::messages::row;

/// A quarter of an hour, so that days in any zone add up from whole buckets.
pub(crate) const BUCKET: i64 = 15 * 60 * 1000;
/// Stages whose time since acceptance is kept.
pub(crate) const TIMED: [Stage; 3] = [Stage::Sent, Stage::Delivered, Stage::Read];
/// Rows of one statement.
const ROWS: usize = 100;

/// Quarter hour, account, kind.
pub(crate) type Cohort = (i64, String, String);
/// Origin, state, failure code and class.
pub(crate) type Standing = (String, String, String, String);

/// Differences to be added, by key.
#[derive(Debug, Default)]
pub(super) struct Differences {
    standings: BTreeMap<(Cohort, Standing), i64>,
    latencies: BTreeMap<(Cohort, Stage, i64), i64>,
}

impl Differences {
    /// Takes the row before out and puts the row after in. Provisional messages are counted nowhere.
    pub(super) fn note(&mut self, before: Option<&Model>, after: Option<&Model>) {
        for (row, step) in [(before, -1), (after, 1)] {
            let Some(row) = row.filter(|row| row.origin != Origin::Provisional.as_str()) else {
                continue;
            };
            let cohort = cohort(row);
            for (stage, latency) in latencies(row) {
                let key = (cohort.clone(), stage, latency.number());
                *self.latencies.entry(key).or_default() += step;
            }
            *self.standings.entry((cohort, standing(row))).or_default() += step;
        }
        self.standings.retain(|_, difference| *difference != 0);
        self.latencies.retain(|_, difference| *difference != 0);
    }

    /// Adds them to the tables.
    pub(super) async fn write(self, connection: &impl ConnectionTrait) -> Result<(), Error> {
        let standings = self.standings.into_iter().map(|(key, difference)| {
            let ((bucket, account, kind), (origin, state, code, class)) = key;
            let texts = [account, kind, origin, state, code, class].map(Value::from);
            let values = std::iter::once(bucket.into()).chain(texts);
            values.chain([difference.into()]).collect()
        });
        let columns = [
            "bucket", "account", "kind", "origin", "state", "code", "class",
        ];
        add(
            connection,
            "message_counts",
            &columns,
            standings.collect::<Vec<Vec<Value>>>(),
        )
        .await?;
        let latencies = self.latencies.into_iter().map(|(key, difference)| {
            let ((bucket, account, kind), stage, latency) = key;
            vec![
                bucket.into(),
                account.into(),
                kind.into(),
                stage.as_str().into(),
                latency.into(),
                difference.into(),
            ]
        });
        let columns = ["bucket", "account", "kind", "stage", "latency"];
        add(connection, "latency_counts", &columns, latencies.collect()).await
    }
}

/// Adds differences to `messages` of the rows with these keys; the last value of each row is the difference.
async fn add(
    connection: &impl ConnectionTrait,
    table: &str,
    key: &[&str],
    rows: Vec<Vec<Value>>,
) -> Result<(), Error> {
    let width = key.len() + 1;
    let key = key.join(", ");
    for chunk in rows.chunks(ROWS) {
        let places: Vec<String> = (0..chunk.len())
            .map(|row| {
                let places: Vec<String> = (1..=width)
                    .map(|column| format!("${}", row * width + column))
                    .collect();
                format!("({})", places.join(", "))
            })
            .collect();
        let sql = format!(
            "INSERT INTO {table} ({key}, messages) VALUES {} \
             ON CONFLICT ({key}) DO UPDATE SET messages = {table}.messages + excluded.messages",
            places.join(", ")
        );
        let values = chunk.iter().flatten().cloned();
        let backend = connection.get_database_backend();
        connection
            .execute_raw(Statement::from_sql_and_values(backend, sql, values))
            .await?;
    }
    Ok(())
}

/// Drops the counts of quarter hours since then, so that they can be added up anew.
pub(super) async fn forget(connection: &impl ConnectionTrait, since: i64) -> Result<(), Error> {
    let backend = connection.get_database_backend();
    for table in ["message_counts", "latency_counts"] {
        let sql = format!("DELETE FROM {table} WHERE bucket >= $1");
        let statement = Statement::from_sql_and_values(backend, sql, [since.into()]);
        connection.execute_raw(statement).await?;
    }
    Ok(())
}

impl Ledger {
    /// A message left the tables by merging into another.
    pub(super) async fn count_removal(&self, before: Option<&Model>) -> Result<(), Error> {
        let mut differences = Differences::default();
        differences.note(before, None);
        differences.write(&self.transaction).await
    }
}

/// Where the times of a message's stages are counted.
pub(crate) fn latency_keys(row: &Model) -> Vec<(Cohort, Stage, i64)> {
    latencies(row)
        .map(|(stage, latency)| (cohort(row), stage, latency.number()))
        .collect()
}

/// Where a message is counted.
pub(crate) fn key(row: &Model) -> (Cohort, Standing) {
    (cohort(row), standing(row))
}

fn cohort(row: &Model) -> Cohort {
    (
        row.created_at.div_euclid(BUCKET) * BUCKET,
        row.account.clone(),
        row.kind.clone().unwrap_or_default(),
    )
}

fn standing(row: &Model) -> Standing {
    let failed = |text: &Option<String>| {
        text.clone()
            .filter(|_| row.failed_at.is_some())
            .unwrap_or_default()
    };
    (
        row.origin.clone(),
        row.state.clone(),
        failed(&row.failure_code),
        failed(&row.failure_class),
    )
}

/// How long each stage took that a fact named. Only what we sent has a beginning.
fn latencies(row: &Model) -> impl Iterator<Item = (Stage, LatencyBucket)> {
    let sent_by_us = row.origin == Origin::Api.as_str();
    TIMED
        .into_iter()
        .filter(move |_| sent_by_us)
        .filter_map(move |stage| {
            let time = TimeDelta::milliseconds(row::told_at(row, stage)? - row.created_at);
            Some((stage, LatencyBucket::of(time)))
        })
}
