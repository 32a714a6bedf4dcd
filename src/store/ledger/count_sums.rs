//! Sums of the counts by hour and by day in UTC, changed together with the counts, so that long
//! periods are read from few rows. Latencies have no other counts: their rows, also those of
//! quarter hours, each hold a whole histogram in one text.

use std::collections::BTreeMap;

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
};

use crate::db::Error;
use crate::db::statements;
use crate::domain::charge::Charge;
use crate::domain::latency::{Histogram, LatencyBucket, LatencySpan};
use crate::store::entities::{charge_sum_row, latency_sum_row, message_sum_row};
use crate::store::ledger::charge_counts::ChargeKey;
use crate::store::ledger::cohort_key::CohortKey;
use crate::store::ledger::latency_histograms::{add_latencies, find_quarter_hours, read_histogram};
use crate::store::ledger::message_counts::{self, BUCKET_MILLIS, Differences, StateKey};

/// In milliseconds.
pub(crate) const HOUR: i64 = 60 * 60 * 1000;
/// A day in UTC, in milliseconds.
pub(crate) const DAY: i64 = 24 * HOUR;
/// The periods of sums of states and charges, in milliseconds.
const WIDTHS: [i64; 2] = [HOUR, DAY];
/// The periods of histograms.
const HISTOGRAM_WIDTHS: [i64; 3] = [BUCKET_MILLIS, HOUR, DAY];

/// The start of the hour or day that contains an instant, in milliseconds.
pub(crate) fn start_of(at: i64, width: i64) -> i64 {
    at.div_euclid(width) * width
}

/// Sums by width. The first element of a cohort's key is the start of the summed period.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    pub(crate) states: BTreeMap<(i64, CohortKey, StateKey), i64>,
    pub(crate) charges: BTreeMap<(i64, ChargeKey), i64>,
    pub(crate) latencies: BTreeMap<(i64, CohortKey, LatencySpan), Histogram>,
}

impl Sums {
    pub(crate) fn of(counts: &Differences) -> Self {
        let mut sums = Self::default();
        let within = |width: i64, (bucket, account, kind): &CohortKey| {
            (start_of(*bucket, width), account.clone(), *kind)
        };
        for width in WIDTHS {
            for ((cohort, state), messages) in &counts.states {
                let key = (width, within(width, cohort), state.clone());
                *sums.states.entry(key).or_default() += messages;
            }
            for ((cohort, campaign, charge), deliveries) in &counts.charges.0 {
                let key = (
                    width,
                    (within(width, cohort), campaign.clone(), charge.clone()),
                );
                *sums.charges.entry(key).or_default() += deliveries;
            }
        }
        for width in HISTOGRAM_WIDTHS {
            for ((cohort, span, latency), messages) in &counts.latencies {
                let times = sums.latencies.entry((width, within(width, cohort), *span));
                let latency = LatencyBucket::from_number(*latency);
                times.or_default().add(latency, *messages);
            }
        }
        sums
    }

    /// The stored sums of a day and its hours.
    pub(crate) async fn stored(connection: &impl ConnectionTrait, day: i64) -> Result<Self, Error> {
        let mut sums = Self::default();
        for width in WIDTHS {
            let states = message_sum_row::Entity::find()
                .filter(message_sum_row::Column::Width.eq(width))
                .filter(message_sum_row::Column::Start.gte(day))
                .filter(message_sum_row::Column::Start.lt(day + DAY))
                .all(connection)
                .await?;
            for row in states {
                let cohort = (row.start, row.account, row.kind);
                let state = (row.origin, row.state, row.code, row.class, row.campaign);
                sums.states.insert((width, cohort, state), row.messages);
            }
            let charges = charge_sum_row::Entity::find()
                .filter(charge_sum_row::Column::Width.eq(width))
                .filter(charge_sum_row::Column::Start.gte(day))
                .filter(charge_sum_row::Column::Start.lt(day + DAY))
                .all(connection)
                .await?;
            for row in charges {
                let deliveries = row.deliveries;
                sums.charges.insert((width, charge_key(row)), deliveries);
            }
        }
        for width in HISTOGRAM_WIDTHS {
            let latencies = latency_sum_row::Entity::find()
                .filter(latency_sum_row::Column::Width.eq(width))
                .filter(latency_sum_row::Column::Start.gte(day))
                .filter(latency_sum_row::Column::Start.lt(day + DAY))
                .all(connection)
                .await?;
            for row in latencies {
                let cohort = (row.start, row.account, row.kind);
                let times = read_histogram(&row.histogram)?;
                sums.latencies.insert((width, cohort, row.span), times);
            }
        }
        Ok(sums)
    }

    /// Adds these sums to the stored ones.
    async fn add_to_stored(mut self, connection: &impl ConnectionTrait) -> Result<(), Error> {
        self.states.retain(|_, difference| *difference != 0);
        self.charges.retain(|_, difference| *difference != 0);
        let states: Vec<message_sum_row::Model> = self.states.into_iter().map(state_row).collect();
        statements::insert::<message_sum_row::Entity>(
            connection,
            &states.iter().collect::<Vec<_>>(),
            "ON CONFLICT (width, start, account, kind, origin, state, code, class, campaign) \
             DO UPDATE SET messages = message_sums.messages + excluded.messages",
        )
        .await?;
        let charges: Vec<charge_sum_row::Model> =
            self.charges.into_iter().map(charge_row).collect();
        statements::insert::<charge_sum_row::Entity>(
            connection,
            &charges.iter().collect::<Vec<_>>(),
            "ON CONFLICT (width, start, account, kind, campaign, sender, country, category, pricing_type, free, price, currency) \
             DO UPDATE SET deliveries = charge_sums.deliveries + excluded.deliveries",
        )
        .await?;
        add_latencies(connection, self.latencies).await
    }
}

/// Deletes the counts of quarter hours that start at or after `since` (ms).
pub(super) async fn delete_quarter_hours(
    connection: &impl ConnectionTrait,
    since: i64,
) -> Result<(), Error> {
    latency_sum_row::Entity::delete_many()
        .filter(latency_sum_row::Column::Width.eq(BUCKET_MILLIS))
        .filter(latency_sum_row::Column::Start.gte(since))
        .exec(connection)
        .await?;
    message_counts::delete_counts(connection, since).await
}

/// Adds differences to the counts of quarter hours, but not to the sums of hours and days.
pub(super) async fn write_quarter_hours(
    connection: &impl ConnectionTrait,
    differences: Differences,
) -> Result<(), Error> {
    let mut latencies = Sums::of(&differences).latencies;
    latencies.retain(|(width, ..), _| *width == BUCKET_MILLIS);
    add_latencies(connection, latencies).await?;
    differences.write(connection).await
}

/// Adds differences to the counts and to their sums.
pub(super) async fn write(
    connection: &impl ConnectionTrait,
    differences: Differences,
) -> Result<(), Error> {
    Sums::of(&differences).add_to_stored(connection).await?;
    differences.write(connection).await
}

fn state_row(
    ((width, cohort, state), messages): ((i64, CohortKey, StateKey), i64),
) -> message_sum_row::Model {
    let (start, account, kind) = cohort;
    let (origin, state, code, class, campaign) = state;
    message_sum_row::Model {
        width,
        start,
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

fn charge_row(((width, key), deliveries): ((i64, ChargeKey), i64)) -> charge_sum_row::Model {
    let ((start, account, kind), campaign, charge) = key;
    charge_sum_row::Model {
        width,
        start,
        account,
        kind,
        campaign,
        sender: charge.sender,
        country: charge.country,
        category: charge.category,
        pricing_type: charge.pricing_type,
        free: charge.free,
        price: charge.price,
        currency: charge.currency,
        deliveries,
    }
}

fn charge_key(row: charge_sum_row::Model) -> ChargeKey {
    let charge = Charge {
        account: row.account.clone(),
        sender: row.sender,
        country: row.country,
        category: row.category,
        pricing_type: row.pricing_type,
        free: row.free,
        price: row.price,
        currency: row.currency,
    };
    ((row.start, row.account, row.kind), row.campaign, charge)
}

/// Recomputes the sums of the day that contains `since` (ms), and of later ones.
pub(super) async fn recompute_sums(
    connection: &impl ConnectionTrait,
    since: i64,
) -> Result<(), Error> {
    let backend = connection.get_database_backend();
    let first = start_of(since, DAY);
    let run = async |sql: String| {
        let statement = Statement::from_sql_and_values(backend, sql, [first.into()]);
        connection.execute_raw(statement).await
    };
    for table in ["message_sums", "charge_sums", "latency_sums"] {
        run(format!(
            "DELETE FROM {table} WHERE width IN ({HOUR}, {DAY}) AND start >= $1"
        ))
        .await?;
    }
    for width in WIDTHS {
        let start = format!("bucket / {width} * {width}");
        let states = "account, kind, origin, state, code, class, campaign";
        let charges = "account, kind, campaign, sender, country, category, pricing_type, free, price, currency";
        for (table, names, number) in [
            ("message", states, "messages"),
            ("charge", charges, "deliveries"),
        ] {
            run(format!(
                "INSERT INTO {table}_sums (width, start, {names}, {number}) \
                 SELECT {width}, {start}, {names}, SUM({number}) FROM {table}_counts WHERE bucket >= $1 GROUP BY 2, {names}"
            ))
            .await?;
        }
    }
    let mut day = first;
    while let Some(next) = next_day_with_latencies(connection, day).await? {
        sum_latencies(connection, next).await?;
        day = next + DAY;
    }
    Ok(())
}

/// The first day at or after `day` with a histogram of a quarter hour.
async fn next_day_with_latencies(
    connection: &impl ConnectionTrait,
    day: i64,
) -> Result<Option<i64>, Error> {
    let start: Option<i64> = latency_sum_row::Entity::find()
        .select_only()
        .column(latency_sum_row::Column::Start)
        .filter(latency_sum_row::Column::Width.eq(BUCKET_MILLIS))
        .filter(latency_sum_row::Column::Start.gte(day))
        .order_by_asc(latency_sum_row::Column::Start)
        .into_tuple()
        .one(connection)
        .await?;
    Ok(start.map(|start| start_of(start, DAY)))
}

/// Adds up the histograms of a day and of its hours from those of its quarter hours.
async fn sum_latencies(connection: &impl ConnectionTrait, day: i64) -> Result<(), Error> {
    let mut latencies: BTreeMap<(i64, CohortKey, LatencySpan), Histogram> = BTreeMap::new();
    for row in find_quarter_hours(connection, day..day + DAY).await? {
        let times = read_histogram(&row.histogram)?;
        for width in WIDTHS {
            let cohort = (start_of(row.start, width), row.account.clone(), row.kind);
            let sum = latencies.entry((width, cohort, row.span)).or_default();
            sum.add_all(&times);
        }
    }
    add_latencies(connection, latencies).await
}
