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
use crate::domain::ids::AccountId;
use crate::domain::latency::{LatencyBucket, LatencySpan};
use crate::domain::media::MediaKind;
use crate::domain::message::Origin;
use crate::store::entities::column_types::OrEmpty;
use crate::store::entities::message_count_row;
use crate::store::entities::message_row::Model;
use crate::store::ledger::charge_counts::{ChargeDifferences, charged_columns};
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
        let counted = |row: &&Model| row.origin != Origin::Orphan;
        let (before, after) = (before.filter(counted), after.filter(counted));
        if let (Some(before), Some(after)) = (before, after)
            && cohort_columns(before) == cohort_columns(after)
        {
            self.note_change(before, after);
            return;
        }
        for (row, factor) in [(before, -1), (after, 1)] {
            if let Some(row) = row {
                let cohort = cohort_key(row);
                for time in latencies(row) {
                    self.add_latency(&cohort, time, factor);
                }
                self.charges.note(&cohort, row, factor);
                self.add_state(cohort, row, factor);
            }
        }
    }

    /// Most changes leave the charge and most latencies as they are. Their keys are large, and would
    /// be looked up twice to add nothing.
    fn note_change(&mut self, before: &Model, after: &Model) {
        let cohort = cohort_key(after);
        for (old, new) in latencies(before).into_iter().zip(latencies(after)) {
            if old != new {
                self.add_latency(&cohort, old, -1);
                self.add_latency(&cohort, new, 1);
            }
        }
        if charged_columns(before) != charged_columns(after) {
            self.charges.note(&cohort, before, -1);
            self.charges.note(&cohort, after, 1);
        }
        self.add_state(cohort.clone(), before, -1);
        self.add_state(cohort, after, 1);
    }

    fn add_latency(
        &mut self,
        cohort: &CohortKey,
        (span, latency): (LatencySpan, Option<LatencyBucket>),
        factor: i64,
    ) {
        if let Some(latency) = latency {
            let key = (cohort.clone(), span, latency.number());
            *self.latencies.entry(key).or_default() += factor;
        }
    }

    fn add_state(&mut self, cohort: CohortKey, row: &Model, factor: i64) {
        *self.states.entry((cohort, state_key(row))).or_default() += factor;
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

/// The columns of [`cohort_key`].
fn cohort_columns(row: &Model) -> (i64, &AccountId, Option<MediaKind>) {
    let counted_at = row.counted_at.unwrap_or(row.created_at);
    (bucket_of(counted_at), &row.account, row.kind)
}

fn cohort_key(row: &Model) -> CohortKey {
    let (bucket, account, kind) = cohort_columns(row);
    (bucket, account.clone(), OrEmpty(kind))
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

/// The time of every span, if both stages were reported; none for messages sent elsewhere.
fn latencies(row: &Model) -> [(LatencySpan, Option<LatencyBucket>); LatencySpan::ALL.len()] {
    let reported = |stage| fold_columns::reported_at(row, stage);
    LatencySpan::ALL.map(|span| {
        let times = match span.stage_since_acceptance() {
            Some(stage) => reported(stage).map(|end| (row.created_at, end)),
            None => reported(Stage::Submitted).zip(reported(Stage::Delivered)),
        };
        let times = times.filter(|_| row.origin == Origin::Api);
        let latency =
            times.map(|(begin, end)| LatencyBucket::of(TimeDelta::milliseconds(end - begin)));
        (span, latency)
    })
}
