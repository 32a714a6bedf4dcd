//! PostgreSQL's journal in days: a partition for each day of ids, made ahead and dropped whole. Which may be dropped is `retention`'s matter.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, Statement};
use uuid::Uuid;

use crate::db::Error;
use crate::db::connection::Pools;

/// How partitions of days are called: this and the date.
const PREFIX: &str = "journal_";
/// How dates stand in those names.
const DATE: &str = "%Y%m%d";
/// Takes ids of days that have no partition: long past ones out of a spool that was found late, and those of a clock that ran ahead.
pub(super) const DEFAULT: &str = "journal_default";
/// Days made before today, for what was received around midnight.
const BEHIND: u64 = 1;
/// Days made after today: as long may everything else fail before callbacks go to the default.
const AHEAD: u64 = 3;

/// One day of ids, in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Day(NaiveDate);

impl Day {
    fn of(at: DateTime<Utc>) -> Self {
        Self(at.date_naive())
    }

    /// The smallest UUID of the day.
    pub(super) fn first_id(self) -> Uuid {
        first_id_at(self.0.and_time(NaiveTime::MIN).and_utc())
    }

    /// The smallest UUID of the next day.
    pub(super) fn end_id(self) -> Uuid {
        first_id_at(self.end())
    }

    /// When the next day begins.
    pub(super) fn end(self) -> DateTime<Utc> {
        let next = self.0.succ_opt().unwrap_or(NaiveDate::MAX);
        next.and_time(NaiveTime::MIN).and_utc()
    }

    /// The partition's name.
    pub(super) fn table(self) -> String {
        format!("{PREFIX}{}", self.0.format(DATE))
    }

    fn parse(table: &str) -> Option<Self> {
        let date = table.strip_prefix(PREFIX)?;
        NaiveDate::parse_from_str(date, DATE).ok().map(Self)
    }
}

/// No `UUIDv7` made at or after an instant is smaller.
pub(super) fn first_id_at(at: DateTime<Utc>) -> Uuid {
    let millis = u128::try_from(at.timestamp_millis()).unwrap_or_default();
    Uuid::from_u128(millis << 80)
}

/// The days that have a partition, oldest first.
pub(super) async fn list(pools: &Pools) -> Result<Vec<Day>, Error> {
    let rows = pools
        .reader()
        .query_all_raw(Statement::from_string(
            DbBackend::Postgres,
            "SELECT child.relname AS name FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid \
             WHERE inhparent = 'journal'::regclass",
        ))
        .await?;
    let mut days = Vec::with_capacity(rows.len());
    for row in rows {
        let name: String = row.try_get("", "name")?;
        days.extend(Day::parse(&name));
    }
    days.sort_unstable();
    Ok(days)
}

/// Makes the partitions of the days around `now` that are missing. Several processes may try: the journal's lock lets one at a time.
pub(super) async fn prepare(pools: &Pools, now: DateTime<Utc>) -> Result<(), Error> {
    if pools.reader().get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let there = list(pools).await?;
    let today = Day::of(now).0;
    let first = today.checked_sub_days(Days::new(BEHIND)).unwrap_or(today);
    for day in first.iter_days().take(1 + usize_of(BEHIND + AHEAD)) {
        if !there.contains(&Day(day)) {
            make(pools, Day(day)).await?;
        }
    }
    Ok(())
}

fn usize_of(number: u64) -> usize {
    usize::try_from(number).unwrap_or_default()
}

async fn make(pools: &Pools, day: Day) -> Result<(), Error> {
    pools
        .within(async |transaction| make_within(transaction, day).await)
        .await
}

/// What went to the default before moves to its day, places and all: a partition cannot be attached while the default holds rows of it.
async fn make_within(transaction: &DatabaseTransaction, day: Day) -> Result<(), Error> {
    let (table, first, end) = (day.table(), day.first_id(), day.end_id());
    let there = format!("SELECT 1 AS one WHERE to_regclass('{table}') IS NOT NULL");
    let there = Statement::from_string(DbBackend::Postgres, there);
    if transaction.query_one_raw(there).await?.is_some() {
        return Ok(());
    }
    for statement in [
        format!("CREATE TABLE {table} (LIKE journal INCLUDING ALL)"),
        format!(
            "WITH moved AS (DELETE FROM {DEFAULT} WHERE id >= '{first}' AND id < '{end}' RETURNING *) \
             INSERT INTO {table} SELECT * FROM moved"
        ),
        format!(
            "ALTER TABLE journal ATTACH PARTITION {table} FOR VALUES FROM ('{first}') TO ('{end}')"
        ),
    ] {
        transaction.execute_unprepared(&statement).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::CallbackId;

    #[test]
    fn a_day_holds_the_ids_made_on_it_and_no_others() {
        let noon: DateTime<Utc> = "2026-11-21T12:00:00Z".parse().unwrap();
        let day = Day::of(noon);
        assert_eq!(day.table(), "journal_20261121");
        assert_eq!(Day::parse("journal_20261121"), Some(day));
        assert_eq!(Day::parse(DEFAULT), None);
        let id = |text: &str| CallbackId::new(text.parse().unwrap()).uuid();
        let range = day.first_id()..day.end_id();
        for inside in ["2026-11-21T00:00:00Z", "2026-11-21T23:59:59.999Z"] {
            assert!(range.contains(&id(inside)), "{inside}");
        }
        for outside in ["2026-11-20T23:59:59.999Z", "2026-11-22T00:00:00Z"] {
            assert!(!range.contains(&id(outside)), "{outside}");
        }
    }
}
