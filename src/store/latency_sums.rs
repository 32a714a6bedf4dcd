//! Stored latencies, summed by the database over a period. Whole days in UTC have sums of their own:
//! a month of quarter hours has a million rows where ten million messages are kept.

use std::collections::BTreeMap;
use std::ops::Range;

use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, FromQueryResult, QueryFilter, QuerySelect, QueryTrait,
    Select,
};

use crate::db::{Error, instant};
use crate::domain::ids::AccountId;
use crate::domain::latency::{LatencyBucket, LatencySpan};
use crate::domain::media::MediaKind;
use crate::store::Store;
use crate::store::bucket_counts::Period;
use crate::store::entities::column_types::OrEmpty;
use crate::store::entities::{latency_count_row, latency_day_row};
use crate::store::ledger::message_counts::{BUCKET, DAY, day_of};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LatencySum {
    pub account: AccountId,
    /// Unknown for some observed messages.
    pub kind: Option<MediaKind>,
    pub span: LatencySpan,
    pub latency: LatencyBucket,
    pub messages: i64,
}

type SumKey = (AccountId, OrEmpty<MediaKind>, LatencySpan, i64);

impl Store {
    /// The messages of a period by these times, to the quarter hour.
    pub async fn sum_latencies(
        &self,
        period: &Period,
        spans: &[LatencySpan],
    ) -> Result<Vec<LatencySum>, Error> {
        let (from, to) = (
            instant::to_millis(period.from),
            instant::to_millis(period.to),
        );
        let (days, quarters) = split(from, to);
        let mut sums: BTreeMap<SumKey, i64> = BTreeMap::new();
        for part in quarters {
            use latency_count_row::{Column, Entity};
            let query = Entity::find()
                .filter(Column::Bucket.gte(part.start))
                .filter(Column::Bucket.lt(part.end));
            let names = [
                Column::Account,
                Column::Kind,
                Column::Stage,
                Column::Latency,
            ];
            self.add_sums(query, names, Column::Messages, period, spans, &mut sums)
                .await?;
        }
        if !days.is_empty() {
            use latency_day_row::{Column, Entity};
            let query = Entity::find()
                .filter(Column::Day.gte(days.start))
                .filter(Column::Day.lt(days.end));
            let names = [
                Column::Account,
                Column::Kind,
                Column::Stage,
                Column::Latency,
            ];
            self.add_sums(query, names, Column::Messages, period, spans, &mut sums)
                .await?;
        }
        let counted = sums.into_iter().filter(|(_, messages)| *messages != 0);
        Ok(counted
            .map(|((account, kind, span, latency), messages)| LatencySum {
                account,
                kind: kind.0,
                span,
                latency: LatencyBucket::from_number(latency),
                messages,
            })
            .collect())
    }

    /// `names` are the columns of [`SumKey`].
    async fn add_sums<E, C>(
        &self,
        query: Select<E>,
        names: [C; 4],
        messages: C,
        period: &Period,
        spans: &[LatencySpan],
        sums: &mut BTreeMap<SumKey, i64>,
    ) -> Result<(), Error>
    where
        E: EntityTrait<Column = C>,
        E::Model: FromQueryResult + Send + Sync,
        C: ColumnTrait,
    {
        let [account, _, stage, _] = names;
        let sum: SimpleExpr = Expr::col(messages).sum().cast_as("bigint");
        let query = query
            .select_only()
            .columns(names)
            .column_as(sum, "messages")
            .filter(stage.is_in(spans.iter().copied()))
            .apply_if(period.account.as_ref(), |query, one| {
                query.filter(account.eq(one))
            })
            .apply_if(period.limit.accounts(), |query, some| {
                query.filter(account.is_in(some))
            });
        let rows: Vec<(AccountId, OrEmpty<MediaKind>, LatencySpan, i64, i64)> = names
            .into_iter()
            .fold(query, Select::group_by)
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        for (account, kind, span, latency, messages) in rows {
            *sums.entry((account, kind, span, latency)).or_default() += messages;
        }
        Ok(())
    }
}

/// The whole days of a period, and the quarter hours before and after them that begin in it.
fn split(from: i64, to: i64) -> (Range<i64>, Vec<Range<i64>>) {
    let from = from.div_euclid(BUCKET) * BUCKET + if from % BUCKET == 0 { 0 } else { BUCKET };
    let first = day_of(from + DAY - 1);
    let last = day_of(to);
    let quarters = if first < last {
        [from..first, last..to]
    } else {
        [from..to, to..to]
    };
    let given = quarters.into_iter().filter(|part| !part.is_empty());
    (first..Ord::max(first, last), given.collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_quarter_hour_of_a_period_is_in_one_part(
            start in 0..4 * DAY,
            length in 0..4 * DAY,
        ) {
            let (from, to) = (start, start + length);
            let (days, quarters) = split(from, to);
            prop_assert_eq!(days.start % DAY, 0);
            prop_assert_eq!(days.end % DAY, 0);
            for quarter in (0..9 * DAY / BUCKET).map(|number| number * BUCKET) {
                let parts = quarters.iter().filter(|part| part.contains(&quarter)).count()
                    + usize::from(days.contains(&quarter));
                let is_within = from <= quarter && quarter < to;
                prop_assert_eq!(parts, usize::from(is_within), "{}", quarter);
            }
        }
    }
}
