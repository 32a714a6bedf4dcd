//! Compares the counts of messages with a recount, for `verify`.

use std::ops::Range;

use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use uuid::Uuid;

use crate::db::Error;
use crate::store::entities::{
    charge_count_row, charge_sum_row, latency_sum_row, message_count_row, message_row,
    message_sum_row,
};
use crate::store::ledger::charge_counts;
use crate::store::ledger::cohort_key::CohortKey;
use crate::store::ledger::count_sums::{DAY, HOUR, Sums, start_of};
use crate::store::ledger::latency_histograms::{find_quarter_hours, read_histogram};
use crate::store::ledger::message_counts::{BUCKET_MILLIS, Differences, bucket_of};
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
        let mut discrepancies = Vec::new();
        for (((bucket, account, kind), key), difference) in &differences.states {
            if is_wrong(*bucket, *difference) {
                let (origin, state, code, _, campaign) = key;
                discrepancies.push(format!(
                    "quarter hour {bucket} (ms), account {account}, kind `{kind}`, {origin}, {state}, code `{code}`, campaign `{campaign}`: a recount differs by {difference:+}"
                ));
            }
        }
        for (((bucket, account, kind), span, latency), difference) in &differences.latencies {
            if is_wrong(*bucket, *difference) {
                discrepancies.push(format!(
                    "quarter hour {bucket} (ms), account {account}, kind `{kind}`, time to {}, bucket {latency}: a recount differs by {difference:+}",
                    span.as_str()
                ));
            }
        }
        for (((bucket, account, kind), campaign, charge), difference) in &differences.charges.0 {
            if is_wrong(*bucket, *difference) {
                discrepancies.push(format!(
                    "quarter hour {bucket} (ms), account {account}, kind `{kind}`, campaign `{campaign}`, country `{}`, category `{}`, price `{}`: a recount of deliveries differs by {difference:+}",
                    charge.country, charge.category, charge.price
                ));
            }
        }
        discrepancies.extend(self.check_sums(start_of(first, DAY)).await?);
        Ok(Some((
            next,
            u64::try_from(checked).unwrap_or_default(),
            discrepancies,
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
        let mut discrepancies = Vec::new();
        let mut states = summed.states;
        for (key, messages) in stored.states {
            *states.entry(key).or_default() -= messages;
        }
        for ((width, cohort, (origin, state, code, _, campaign)), difference) in &states {
            if *difference != 0 {
                let subject = describe(*width, cohort);
                discrepancies.push(format!(
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
                discrepancies.push(format!(
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
                discrepancies.push(format!(
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
            discrepancies.push(format!(
                "{}, time to {}: its quarter hours differ by {:+}",
                describe(*width, cohort),
                span.as_str(),
                -times.count()
            ));
        }
        Ok(discrepancies)
    }

    /// The first quarter hour at or after `bucket` with messages or counts.
    async fn next_bucket(&self, bucket: i64) -> Result<Option<i64>, Error> {
        use message_row::Column::{CountedAt, CreatedAt};
        let messages = [
            self.first_from(message_row::Entity::find(), CreatedAt, bucket)
                .await?,
            self.first_from(message_row::Entity::find(), CountedAt, bucket)
                .await?,
        ];
        let mut counts = vec![
            self.first_from(
                message_count_row::Entity::find(),
                message_count_row::Column::Bucket,
                bucket,
            )
            .await?,
            self.first_from(
                charge_count_row::Entity::find(),
                charge_count_row::Column::Bucket,
                bucket,
            )
            .await?,
        ];
        for width in [BUCKET_MILLIS, HOUR, DAY] {
            use {
                charge_sum_row as charge, latency_sum_row as latency, message_sum_row as message,
            };
            let messages = message::Entity::find().filter(message::Column::Width.eq(width));
            let latencies = latency::Entity::find().filter(latency::Column::Width.eq(width));
            let charges = charge::Entity::find().filter(charge::Column::Width.eq(width));
            counts.extend([
                self.first_from(messages, message::Column::Start, bucket)
                    .await?,
                self.first_from(latencies, latency::Column::Start, bucket)
                    .await?,
                self.first_from(charges, charge::Column::Start, bucket)
                    .await?,
            ]);
        }
        let messages = messages.into_iter().flatten().map(bucket_of);
        Ok(messages.chain(counts.into_iter().flatten()).min())
    }

    /// The lowest value of `column` that is at least `start`, of these rows.
    async fn first_from<E: EntityTrait>(
        &self,
        rows: Select<E>,
        column: E::Column,
        start: i64,
    ) -> Result<Option<i64>, Error> {
        let first = rows
            .select_only()
            .column(column)
            .filter(column.gte(start))
            .order_by_asc(column)
            .into_tuple()
            .one(&self.transaction)
            .await?;
        Ok(first)
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
        for row in find_quarter_hours(&self.transaction, first..next).await? {
            let cohort = (row.start, row.account, row.kind);
            for (latency, messages) in read_histogram(&row.histogram)?.buckets() {
                let key = (cohort.clone(), row.span, latency.number());
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
