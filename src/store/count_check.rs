//! Compares the counts of messages with a recount, for `verify`.

use std::ops::Range;

use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use crate::db::Error;
use crate::store::entities::{charge_count_row, latency_count_row, message_count_row, message_row};
use crate::store::ledger::charge_counts;
use crate::store::ledger::message_counts::{BUCKET, Differences, bucket_of};
use crate::store::store_settings;
use crate::store::verify_snapshot::{BATCH, VerifySnapshot};

/// Buckets per call: a day.
const DAY_BUCKETS: i64 = 96;

impl VerifySnapshot {
    /// Recounts the first day at or after `bucket`. Returns where the next day begins, the number
    /// of counts and the discrepancies; `None` after the last day.
    pub async fn check_counts(
        &self,
        bucket: i64,
    ) -> Result<Option<(i64, u64, Vec<String>)>, Error> {
        let Some(first) = self.next_bucket(bucket).await? else {
            return Ok(None);
        };
        let next = first + DAY_BUCKETS * BUCKET;
        let mut differences = Differences::default();
        self.recount(first, next, &mut differences).await?;
        self.subtract_stored(first, next, &mut differences).await?;
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
                    "quarter hour {bucket} (ms), account {account}, kind `{kind}`, time to {}, step {latency}: a recount differs by {difference:+}",
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
        Ok(Some((
            next,
            u64::try_from(checked).unwrap_or_default(),
            found,
        )))
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
        let messages = [created, attempted].into_iter().flatten().map(bucket_of);
        Ok(counted.into_iter().chain(messages).min())
    }

    async fn recount(
        &self,
        first: i64,
        next: i64,
        differences: &mut Differences,
    ) -> Result<(), Error> {
        use message_row::Column::{CountedAt, CreatedAt};
        let at_once = CountedAt.is_null();
        self.recount_by(CreatedAt, at_once, first..next, differences)
            .await?;
        let later = CountedAt.is_not_null();
        self.recount_by(CountedAt, later, first..next, differences)
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

    async fn subtract_stored(
        &self,
        first: i64,
        next: i64,
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
            *differences.states.entry((cohort, key)).or_default() -= row.messages;
        }
        let latencies = latency_count_row::Entity::find()
            .filter(latency_count_row::Column::Bucket.gte(first))
            .filter(latency_count_row::Column::Bucket.lt(next))
            .all(&self.transaction)
            .await?;
        for row in latencies {
            let key = ((row.bucket, row.account, row.kind), row.stage, row.latency);
            *differences.latencies.entry(key).or_default() -= row.messages;
        }
        let charges = charge_count_row::Entity::find()
            .filter(charge_count_row::Column::Bucket.gte(first))
            .filter(charge_count_row::Column::Bucket.lt(next))
            .all(&self.transaction)
            .await?;
        for row in charges {
            let deliveries = row.deliveries;
            let key = charge_counts::key(row);
            *differences.charges.0.entry(key).or_default() -= deliveries;
        }
        Ok(())
    }
}
