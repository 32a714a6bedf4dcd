//! Counts per quarter hour: every change adds the difference between the row before and the row after.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, Statement};

use crate::db::Error;
use crate::db::statements;
use crate::domain::delivery_state::{DeliveryState, Stage};
use crate::domain::failure::FailureClass;
use crate::domain::ids::AccountId;
use crate::domain::latency::LatencyBucket;
use crate::domain::media::MediaKind;
use crate::domain::message::Origin;
use crate::store::entities::column_types::OrEmpty;
use crate::store::entities::message_row::Model;
use crate::store::entities::{latency_count_row, message_count_row};
use crate::store::ledger::message_ledger::Ledger;
use crate::store::messages::fold_columns;

/// A quarter of an hour, so that days in any zone add up from whole buckets.
pub(crate) const BUCKET: i64 = 15 * 60 * 1000;
/// Stages whose time since acceptance is kept.
pub(crate) const TIMED: [Stage; 3] = [Stage::Sent, Stage::Delivered, Stage::Read];

/// Quarter hour, account, kind.
pub(crate) type Cohort = (i64, AccountId, OrEmpty<MediaKind>);
/// Origin, state, failure code and class.
pub(crate) type Standing = (Origin, DeliveryState, String, OrEmpty<FailureClass>);

/// Differences to be added, by key.
#[derive(Debug, Default)]
pub(crate) struct Differences {
    pub(crate) standings: BTreeMap<(Cohort, Standing), i64>,
    pub(crate) latencies: BTreeMap<(Cohort, Stage, i64), i64>,
}

impl Differences {
    /// Takes the row before out and puts the row after in. Provisional messages are counted nowhere.
    pub(crate) fn note(&mut self, before: Option<&Model>, after: Option<&Model>) {
        for (row, step) in [(before, -1), (after, 1)] {
            let Some(row) = row.filter(|row| row.origin != Origin::Orphan) else {
                continue;
            };
            let cohort = cohort(row);
            for (stage, latency) in latencies(row) {
                let key = (cohort.clone(), stage, latency.number());
                *self.latencies.entry(key).or_default() += step;
            }
            *self.standings.entry((cohort, standing(row))).or_default() += step;
        }
    }

    /// Adds them to the tables.
    pub(super) async fn write(mut self, connection: &impl ConnectionTrait) -> Result<(), Error> {
        self.standings.retain(|_, difference| *difference != 0);
        self.latencies.retain(|_, difference| *difference != 0);
        let standings: Vec<message_count_row::Model> =
            self.standings.into_iter().map(standing_row).collect();
        statements::insert::<message_count_row::Entity>(
            connection,
            &standings.iter().collect::<Vec<_>>(),
            "ON CONFLICT (bucket, account, kind, origin, state, code, class) \
             DO UPDATE SET messages = message_counts.messages + excluded.messages",
        )
        .await?;
        let latencies: Vec<latency_count_row::Model> =
            self.latencies.into_iter().map(latency_row).collect();
        statements::insert::<latency_count_row::Entity>(
            connection,
            &latencies.iter().collect::<Vec<_>>(),
            "ON CONFLICT (bucket, account, kind, stage, latency) \
             DO UPDATE SET messages = latency_counts.messages + excluded.messages",
        )
        .await?;
        Ok(())
    }
}

fn standing_row(
    (((bucket, account, kind), standing), messages): ((Cohort, Standing), i64),
) -> message_count_row::Model {
    let (origin, state, code, class) = standing;
    message_count_row::Model {
        bucket,
        account,
        kind,
        origin,
        state,
        code,
        class,
        messages,
    }
}

fn latency_row(
    (((bucket, account, kind), stage, latency), messages): ((Cohort, Stage, i64), i64),
) -> latency_count_row::Model {
    latency_count_row::Model {
        bucket,
        account,
        kind,
        stage,
        latency,
        messages,
    }
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

fn cohort(row: &Model) -> Cohort {
    (
        row.created_at.div_euclid(BUCKET) * BUCKET,
        row.account.clone(),
        OrEmpty(row.kind),
    )
}

fn standing(row: &Model) -> Standing {
    let failed = row.failed_at.is_some();
    let code = row.failure_code.clone().filter(|_| failed);
    (
        row.origin,
        row.state,
        code.unwrap_or_default(),
        OrEmpty(row.failure_class.filter(|_| failed)),
    )
}

/// How long each stage took that a fact named. Only what we sent has a beginning.
fn latencies(row: &Model) -> impl Iterator<Item = (Stage, LatencyBucket)> {
    let sent_by_us = row.origin == Origin::Api;
    TIMED
        .into_iter()
        .filter(move |_| sent_by_us)
        .filter_map(move |stage| {
            let time =
                TimeDelta::milliseconds(fold_columns::reported_at(row, stage)? - row.created_at);
            Some((stage, LatencyBucket::of(time)))
        })
}
