//! Periods of the stored counts, from which statistics in any time zone are summed.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ColumnTrait, Condition, QueryResult};

use crate::db::{Error, instant};
use crate::domain::account_limit::AccountLimit;
use crate::domain::ids::AccountId;

/// The resolution of all counts.
pub const QUARTER_HOUR: TimeDelta = TimeDelta::minutes(15);

/// A period of whole quarter hours. A message belongs to the quarter hour of its first attempt, or
/// of its creation while there is no attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Period {
    /// Inclusive.
    pub from: DateTime<Utc>,
    /// Exclusive.
    pub to: DateTime<Utc>,
    pub account: Option<AccountId>,
    /// The accounts that the caller may access.
    pub limit: AccountLimit,
}

impl Period {
    /// The condition on the columns of a table of counts.
    pub(super) fn includes<C: ColumnTrait>(&self, bucket: C, account: C) -> Condition {
        Condition::all()
            .add(bucket.gte(instant::to_millis(self.from)))
            .add(bucket.lt(instant::to_millis(self.to)))
            .add_option(self.account.as_ref().map(|only| account.eq(only)))
            .add_option(self.limit.accounts().map(|allowed| account.is_in(allowed)))
    }
}

/// The index of the interval that a row of sums belongs to.
pub(super) fn interval_of(row: &QueryResult) -> Result<usize, Error> {
    let index: i64 = row.try_get("", "interval_index")?;
    usize::try_from(index).map_err(|_| Error::inconsistent("parts", "interval_index", index))
}
