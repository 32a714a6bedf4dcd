//! Splits the intervals of a period into as few stored sums as possible: whole days in UTC, whole
//! hours before and after them, and quarter hours at the edges. One query reads all intervals.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement, Value};

use crate::db::{Error, instant, statements};
use crate::store::bucket_counts::Period;
use crate::store::ledger::count_sums::{DAY, HOUR};
use crate::store::ledger::message_counts::BUCKET_MILLIS;

/// The most sums that one query may return, as a report holds them in memory.
const SUM_LIMIT: usize = 200_000;
/// Above this number, parts are padded to a multiple of it.
const PADDING: usize = 64;
const TOO_MANY_SUMS: &str = "gives more than 200,000 sums of accounts, kinds, states and campaigns for this period; choose a shorter one or a longer interval";

/// A range of sums of this width, or of quarter hours, in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Part {
    /// Index of the interval.
    interval: i64,
    width: i64,
    from: i64,
    to: i64,
}

/// The beginning of a query over the intervals, and how it limits accounts.
pub(super) struct PartsQuery {
    /// `WITH parts (interval_index, width, since, ending) AS (…)`
    with: String,
    /// A condition on `account`.
    pub(super) accounts: String,
    values: Vec<Value>,
    backend: DbBackend,
}

impl PartsQuery {
    /// Runs a statement with these values: [`Error::TooMuch`] for more rows than a report may have.
    pub(super) async fn run(
        self,
        reader: &impl ConnectionTrait,
        sql: &str,
    ) -> Result<Vec<QueryResult>, Error> {
        let sql = format!("{} {sql} LIMIT {}", self.with, SUM_LIMIT + 1);
        let statement = Statement::from_sql_and_values(self.backend, sql, self.values);
        let rows = reader.query_all_raw(statement).await?;
        if rows.len() > SUM_LIMIT {
            return Err(Error::TooMuch(TOO_MANY_SUMS));
        }
        Ok(rows)
    }

    /// Adds a value; returns its placeholder.
    pub(super) fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        match self.backend {
            DbBackend::Postgres => format!("${}", self.values.len()),
            _ => format!("?{}", self.values.len()),
        }
    }
}

/// Intervals of a period that begin at `starts`, which are sorted.
pub(super) fn query(backend: DbBackend, period: &Period, starts: &[DateTime<Utc>]) -> PartsQuery {
    let parts = parts(period, starts);
    let types = ["bigint"; 4];
    // Padded, so that there are few different statements; by little, so that even the 2,300 days of
    // a statistic need no more values than SQLite accepts.
    let size = match parts.len() {
        few @ ..=PADDING => few.next_power_of_two(),
        many => many.next_multiple_of(PADDING),
    };
    let mut values: Vec<Value> = Vec::with_capacity(size * types.len());
    for part in &parts {
        let columns = [part.interval, part.width, part.from, part.to];
        values.extend(columns.map(Value::from));
    }
    if values.is_empty() {
        values.extend(types.map(|_| Value::BigInt(None)));
    }
    statements::pad(&mut values, types.len(), size);
    let given = statements::placeholders(backend, &types, size);
    let mut query = PartsQuery {
        with: format!("WITH parts (interval_index, width, since, ending) AS ({given})"),
        accounts: String::new(),
        values,
        backend,
    };
    let mut accounts = vec!["1 = 1".to_owned()];
    if let Some(only) = &period.account {
        accounts.push(format!("account = {}", query.bind(only.into())));
    }
    if let Some(allowed) = period.limit.accounts() {
        let allowed: Vec<String> = allowed.iter().map(|id| query.bind(id.into())).collect();
        accounts.push(if allowed.is_empty() {
            "1 = 0".to_owned()
        } else {
            format!("account IN ({})", allowed.join(", "))
        });
    }
    query.accounts = accounts.join(" AND ");
    query
}

/// SQL that selects these columns of the sums in each part.
pub(super) fn sums(table: &str, columns: &str) -> String {
    format!(
        "SELECT interval_index, {columns} FROM parts CROSS JOIN {table} \
         WHERE {table}.width = parts.width AND start >= since AND start < ending"
    )
}

/// [`sums`] where quarter hours have a table of their own.
pub(super) fn sums_and_quarters(table: &str, quarters: &str, columns: &str) -> String {
    format!(
        "{} UNION ALL SELECT interval_index, {columns} FROM parts CROSS JOIN {quarters} \
         WHERE parts.width = {BUCKET_MILLIS} AND bucket >= since AND bucket < ending",
        sums(table, columns)
    )
}

fn parts(period: &Period, starts: &[DateTime<Utc>]) -> Vec<Part> {
    let mut parts = Vec::new();
    let ends = starts.iter().skip(1).chain([&period.to]);
    for ((interval, from), to) in (0..).zip(starts).zip(ends) {
        let (from, to) = (instant::to_millis(*from), instant::to_millis(*to));
        split(interval, from, to, &[DAY, HOUR], &mut parts);
    }
    parts
}

/// Adds the parts of a range: of the first width as far as possible, of the narrower ones at the
/// edges. `widths` begins with the widest.
fn split(interval: i64, from: i64, to: i64, widths: &[i64], parts: &mut Vec<Part>) {
    if from >= to {
        return;
    }
    let part = |width, from, to| Part {
        interval,
        width,
        from,
        to,
    };
    let Some((width, narrower)) = widths.split_first() else {
        parts.push(part(BUCKET_MILLIS, from, to));
        return;
    };
    let first = -(-from).div_euclid(*width) * width;
    let last = to.div_euclid(*width) * width;
    if first < last {
        split(interval, from, first, narrower, parts);
        parts.push(part(*width, first, last));
        split(interval, last, to, narrower, parts);
    } else {
        split(interval, from, to, narrower, parts);
    }
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
            let mut parts = Vec::new();
            split(0, from, to, &[DAY, HOUR], &mut parts);
            for part in &parts {
                let is_whole = part.width == BUCKET_MILLIS || part.from % part.width == 0 && part.to % part.width == 0;
                prop_assert!(is_whole, "{part:?}");
            }
            for quarter in (0..9 * DAY / BUCKET_MILLIS).map(|number| number * BUCKET_MILLIS) {
                let holding = parts.iter().filter(|part| (part.from..part.to).contains(&quarter));
                let is_within = from <= quarter && quarter < to;
                prop_assert_eq!(holding.count(), usize::from(is_within), "{}", quarter);
            }
        }
    }
}
