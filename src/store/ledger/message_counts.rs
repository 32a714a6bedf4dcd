//! Counts per quarter hour: each change of a message adds the difference between its row before and
//! after.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, Statement};

use crate::db::Error;
use crate::db::statements;
use crate::domain::campaign::CampaignId;
use crate::domain::delivery_state::{DeliveryState, Stage};
use crate::domain::failure::FailureClass;
use crate::domain::latency::{LatencyBucket, LatencySpan};
use crate::domain::message::Origin;
use crate::store::entities::column_types::OrEmpty;
use crate::store::entities::message_count_row;
use crate::store::entities::message_row::Model;
use crate::store::ledger::charge_counts::ChargeDifferences;
use crate::store::ledger::cohort_key::CohortKey;
use crate::store::messages::fold_columns;

/// A quarter of an hour, so that days in any zone add up from whole buckets.
pub(crate) const BUCKET_MILLIS: i64 = 15 * 60 * 1000;

/// Origin, state, failure code and class, campaign.
pub(crate) type StateKey = (
    Origin,
    DeliveryState,
    String,
    OrEmpty<FailureClass>,
    OrEmpty<CampaignId>,
);

/// Differences to be added, by key.
#[derive(Debug, Default)]
pub(crate) struct Differences {
    pub(crate) states: BTreeMap<(CohortKey, StateKey), i64>,
    pub(crate) latencies: BTreeMap<(CohortKey, LatencySpan, i64), i64>,
    pub(crate) charges: ChargeDifferences,
}

impl Differences {
    /// Subtracts the row before and adds the row after. Orphans are not counted.
    pub(crate) fn note(&mut self, before: Option<&Model>, after: Option<&Model>) {
        for (row, factor) in [(before, -1), (after, 1)] {
            let Some(row) = row.filter(|row| row.origin != Origin::Orphan) else {
                continue;
            };
            let cohort = cohort_key(row);
            for (span, latency) in latencies(row) {
                let key = (cohort.clone(), span, latency.number());
                *self.latencies.entry(key).or_default() += factor;
            }
            self.charges.note(&cohort, row, factor);
            *self.states.entry((cohort, state_key(row))).or_default() += factor;
        }
    }

    /// Adds the states and charges; latencies are stored as histograms, see `count_sums`.
    pub(super) async fn write(mut self, connection: &impl ConnectionTrait) -> Result<(), Error> {
        self.states.retain(|_, difference| *difference != 0);
        let states: Vec<message_count_row::Model> =
            self.states.into_iter().map(state_row).collect();
        statements::insert::<message_count_row::Entity>(
            connection,
            &states.iter().collect::<Vec<_>>(),
            "ON CONFLICT (bucket, account, kind, origin, state, code, class, campaign) \
             DO UPDATE SET messages = message_counts.messages + excluded.messages",
        )
        .await?;
        self.charges.write(connection).await
    }
}

fn state_row(
    ((cohort, state), messages): ((CohortKey, StateKey), i64),
) -> message_count_row::Model {
    let (bucket, account, kind) = cohort;
    let (origin, state, code, class, campaign) = state;
    message_count_row::Model {
        bucket,
        account,
        kind,
        origin,
        state,
        code,
        class,
        campaign,
        messages,
    }
}

/// Deletes the counts of quarter hours that start at or after `since`.
pub(super) async fn delete_counts(
    connection: &impl ConnectionTrait,
    since: i64,
) -> Result<(), Error> {
    let backend = connection.get_database_backend();
    for table in ["message_counts", "charge_counts"] {
        let sql = format!("DELETE FROM {table} WHERE bucket >= $1");
        let statement = Statement::from_sql_and_values(backend, sql, [since.into()]);
        connection.execute_raw(statement).await?;
    }
    Ok(())
}

/// The start of the quarter hour that contains an instant, both in milliseconds.
pub(crate) fn bucket_of(at: i64) -> i64 {
    at.div_euclid(BUCKET_MILLIS) * BUCKET_MILLIS
}

fn cohort_key(row: &Model) -> CohortKey {
    (
        bucket_of(row.counted_at.unwrap_or(row.created_at)),
        row.account.clone(),
        OrEmpty(row.kind),
    )
}

fn state_key(row: &Model) -> StateKey {
    let failed = row.failed_at.is_some();
    let code = row.failure_code.clone().filter(|_| failed);
    (
        row.origin,
        row.state,
        code.unwrap_or_default(),
        OrEmpty(row.failure_class.filter(|_| failed)),
        OrEmpty(row.campaign.clone()),
    )
}

/// The times between reported stages; none for messages sent elsewhere.
fn latencies(row: &Model) -> impl Iterator<Item = (LatencySpan, LatencyBucket)> {
    let sent_by_us = row.origin == Origin::Api;
    LatencySpan::ALL
        .into_iter()
        .filter(move |_| sent_by_us)
        .filter_map(move |span| {
            let reported = |stage| fold_columns::reported_at(row, stage);
            let (begin, end) = match span.stage_since_acceptance() {
                Some(stage) => (row.created_at, reported(stage)?),
                None => (reported(Stage::Submitted)?, reported(Stage::Delivered)?),
            };
            let time = TimeDelta::milliseconds(end - begin);
            Some((span, LatencyBucket::of(time)))
        })
}
