//! Compares the counts of messages with a recount, for `verify`.

use std::ops::Range;

use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use crate::db::Error;
use crate::store::entities::{
    charge_count_row, latency_sum_row, message_count_row, message_row, message_sum_row,
};
use crate::store::ledger::charge_counts;
use crate::store::ledger::cohort_key::CohortKey;
use crate::store::ledger::count_sums::{self, DAY, HOUR, Sums, read_histogram, start_of};
use crate::store::ledger::message_counts::{Differences, bucket_of};
use crate::store::verify_snapshot::{BATCH, VerifySnapshot};
use crate::store::{outcome_counts, store_settings};

impl VerifySnapshot {
    /// Discrepancies of the counts of outcomes.
    pub async fn check_outcome_counts(&self) -> Result<Vec<String>, Error> {
        outcome_counts::compare_with_recount(&self.transaction).await
    }

    /// Recounts the first day in UTC with counts or messages at or after `bucket`. Returns the
    /// start of the next day, the number of counts and the discrepancies; `None` after the last
    /// day.
    pub async fn check_counts(
        &self,
        bucket: i64,
    ) -> Result<Option<(i64, u64, Vec<String>)>, Error> {
        let Some(first) = self.next_bucket(bucket).await? else {
            return Ok(None);
        };
        let next = start_of(first, DAY) + DAY;
        let mut differences = Differences::default();
        self.recount(first, next, &mut differences).await?;
        self.add_stored(-1, first..next, &mut differences).await?;
        let purged_before = store_settings::counts_purged_before(&self.transaction).await?;
        // A purge removes messages and leaves their counts.
        let is_wrong = |bucket: i64, difference: i64| {
            difference > 0 || difference < 0 && purged_before.is_none_or(|before| bucket >= before)
        };
        let checked =
            differences.states.len() + differences.latencies.len() + differences.charges.0.len();
        let mut found = Vec::new();
        for (((bucket, account, kind), key), difference) in &differences.states {
            if is_wrong(*bucket, *difference) {
                let (origin, state, code, _, campaign) = key;
                found.push(format!(
                    "quarter hour {bucket} (ms), account {account}, kind `{kind}`, {origin}, {state}, code `{code}`, campaign `{campaign}`: a recount differs by {difference:+}"
                ));
            }
        }
        for (((bucket, account, kind), stage, latency), difference) in &differences.latencies {
            if is_wrong(*bucket, *difference) {
                found.push(format!(
                    "quarter hour {bucket} (ms), account {account}, kind `{kind}`, time to {}, bucket {latency}: a recount differs by {difference:+}",
                    stage.as_str()
                ));
            }
        }
        for (((bucket, account, kind), campaign, charge), difference) in &differences.charges.0 {
            if is_wrong(*bucket, *difference) {
                found.push(format!(
                    "quarter hour {bucket} (ms), account {account}, kind `{kind}`, campaign `{campaign}`, country `{}`, category `{}`, price `{}`: a recount of deliveries differs by {difference:+}",
                    charge.country, charge.category, charge.price
                ));
            }
        }
        found.extend(self.check_sums(start_of(first, DAY)).await?);
        Ok(Some((
            next,
            u64::try_from(checked).unwrap_or_default(),
            found,
        )))
    }

    /// Compares the sums of a day and of its hours with its quarter hours.
    async fn check_sums(&self, day: i64) -> Result<Vec<String>, Error> {
        let mut counts = Differences::default();
        self.add_stored(1, day..day + DAY, &mut counts).await?;
        let summed = Sums::of(&counts);
        let mut stored = Sums::stored(&self.transaction, day).await?;
        let describe = |width: i64, (start, account, kind): &CohortKey| {
            let unit = match width {
                DAY => "day",
                HOUR => "hour",
                _ => "histogram of the quarter hour",
            };
            format!("{unit} {start} (ms), account {account}, kind `{kind}`")
        };
        let mut found = Vec::new();
        let mut states = summed.states;
        for (key, messages) in stored.states {
            *states.entry(key).or_default() -= messages;
        }
        for ((width, cohort, (origin, state, code, _, campaign)), difference) in &states {
            if *difference != 0 {
                let subject = describe(*width, cohort);
                found.push(format!(
                    "{subject}, {origin}, {state}, code `{code}`, campaign `{campaign}`: its quarter hours differ by {difference:+}"
                ));
            }
        }
        let mut charges = summed.charges;
        for (key, deliveries) in stored.charges {
            *charges.entry(key).or_default() -= deliveries;
        }
        for ((width, (cohort, campaign, charge)), difference) in &charges {
            if *difference != 0 {
                let subject = describe(*width, cohort);
                found.push(format!(
                    "{subject}, campaign `{campaign}`, country `{}`, category `{}`, price `{}`: deliveries of its quarter hours differ by {difference:+}",
                    charge.country, charge.category, charge.price
                ));
            }
        }
        for (key, times) in summed.latencies {
            let stored = stored.latencies.remove(&key).unwrap_or_default();
            if times != stored {
                let (width, cohort, span) = &key;
                let difference = times.count() - stored.count();
                found.push(format!(
                    "{}, time to {}: its quarter hours differ by {difference:+} messages or in their times",
                    describe(*width, cohort),
                    span.as_str()
                ));
            }
        }
        let only_stored = stored
            .latencies
            .iter()
            .filter(|(_, times)| !times.is_empty());
        for ((width, cohort, span), times) in only_stored {
            found.push(format!(
                "{}, time to {}: its quarter hours differ by {:+}",
                describe(*width, cohort),
                span.as_str(),
                -times.count()
            ));
        }
        Ok(found)
    }

    /// The first quarter hour at or after `bucket` with messages or counts.
    async fn next_bucket(&self, bucket: i64) -> Result<Option<i64>, Error> {
        let counted: Option<i64> = message_count_row::Entity::find()
            .select_only()
            .column(message_count_row::Column::Bucket)
            .filter(message_count_row::Column::Bucket.gte(bucket))
            .order_by_asc(message_count_row::Column::Bucket)
            .into_tuple()
            .one(&self.transaction)
            .await?;
        let created: Option<i64> = message_row::Entity::find()
            .select_only()
            .column(message_row::Column::CreatedAt)
            .filter(message_row::Column::CreatedAt.gte(bucket))
            .order_by_asc(message_row::Column::CreatedAt)
            .into_tuple()
            .one(&self.transaction)
            .await?;
        let attempted: Option<i64> = message_row::Entity::find()
            .select_only()
            .column(message_row::Column::CountedAt)
            .filter(message_row::Column::CountedAt.gte(bucket))
            .order_by_asc(message_row::Column::CountedAt)
            .into_tuple()
            .one(&self.transaction)
            .await?;
        let summed: Option<i64> = message_sum_row::Entity::find()
            .select_only()
            .column(message_sum_row::Column::Start)
            .filter(message_sum_row::Column::Width.eq(DAY))
            .filter(message_sum_row::Column::Start.gte(bucket))
            .order_by_asc(message_sum_row::Column::Start)
            .into_tuple()
            .one(&self.transaction)
            .await?;
        let timed: Option<i64> = latency_sum_row::Entity::find()
            .select_only()
            .column(latency_sum_row::Column::Start)
            .filter(latency_sum_row::Column::Width.eq(DAY))
            .filter(latency_sum_row::Column::Start.gte(bucket))
            .order_by_asc(latency_sum_row::Column::Start)
            .into_tuple()
            .one(&self.transaction)
            .await?;
        let messages = [created, attempted].into_iter().flatten().map(bucket_of);
        let stored = [counted, summed, timed].into_iter().flatten();
        Ok(stored.chain(messages).min())
    }

    async fn recount(
        &self,
        first: i64,
        next: i64,
        differences: &mut Differences,
    ) -> Result<(), Error> {
        use message_row::Column::{CountedAt, CreatedAt};
        let not_attempted = CountedAt.is_null();
        self.recount_by(CreatedAt, not_attempted, first..next, differences)
            .await?;
        let attempted = CountedAt.is_not_null();
        self.recount_by(CountedAt, attempted, first..next, differences)
            .await
    }

    /// Recounts the messages whose time in `column` is in the period.
    async fn recount_by(
        &self,
        column: message_row::Column,
        condition: SimpleExpr,
        period: Range<i64>,
        differences: &mut Differences,
    ) -> Result<(), Error> {
        let mut after = (period.start, Uuid::nil());
        loop {
            let rows = message_row::Entity::find()
                .filter(condition.clone())
                .filter(column.lt(period.end))
                .filter(
                    Expr::tuple([Expr::col(column), Expr::col(message_row::Column::Id)])
                        .gt(Expr::tuple([Expr::value(after.0), Expr::value(after.1)])),
                )
                .order_by_asc(column)
                .order_by_asc(message_row::Column::Id)
                .limit(BATCH)
                .all(&self.transaction)
                .await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = (last.counted_at.unwrap_or(last.created_at), last.id);
            for row in &rows {
                differences.note(None, Some(row));
            }
        }
    }

    /// Adds the stored counts of a period, multiplied by `factor`.
    async fn add_stored(
        &self,
        factor: i64,
        Range {
            start: first,
            end: next,
        }: Range<i64>,
        differences: &mut Differences,
    ) -> Result<(), Error> {
        let counts = message_count_row::Entity::find()
            .filter(message_count_row::Column::Bucket.gte(first))
            .filter(message_count_row::Column::Bucket.lt(next))
            .all(&self.transaction)
            .await?;
        for row in counts {
            let cohort = (row.bucket, row.account, row.kind);
            let key = (row.origin, row.state, row.code, row.class, row.campaign);
            *differences.states.entry((cohort, key)).or_default() += factor * row.messages;
        }
        for row in count_sums::find_quarter_hours(&self.transaction, first..next).await? {
            let cohort = (row.start, row.account, row.kind);
            for (latency, messages) in read_histogram(&row.histogram)?.buckets() {
                let key = (cohort.clone(), row.stage, latency.number());
                *differences.latencies.entry(key).or_default() += factor * messages;
            }
        }
        let charges = charge_count_row::Entity::find()
            .filter(charge_count_row::Column::Bucket.gte(first))
            .filter(charge_count_row::Column::Bucket.lt(next))
            .all(&self.transaction)
            .await?;
        for row in charges {
            let deliveries = row.deliveries;
            let key = charge_counts::key(row);
            *differences.charges.0.entry(key).or_default() += factor * deliveries;
        }
        Ok(())
    }
}
