//! Daily partitions of PostgreSQL's journal, by the day of the id. Created ahead;
//! `purge_partitions` drops them.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, Statement};
use uuid::Uuid;

use crate::db::Error;
use crate::db::pools::Pools;

/// Prefix of partition names, followed by the date.
const PREFIX: &str = "journal_";
const DATE_FORMAT: &str = "%Y%m%d";
/// For ids of days without a partition: old ones from a spool that was found late, or ids from a
/// clock that was ahead.
pub(super) const DEFAULT_PARTITION: &str = "journal_default";
/// Days created before today, for callbacks received around midnight.
const DAYS_BEHIND: u64 = 1;
/// Days created after today: maintenance may fail this long before callbacks go to the default
/// partition.
const DAYS_AHEAD: u64 = 3;

/// A UTC day of ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct PartitionDay(NaiveDate);

impl PartitionDay {
    fn of(at: DateTime<Utc>) -> Self {
        Self(at.date_naive())
    }

    pub(super) fn first_id(self) -> Uuid {
        first_id_at(self.0.and_time(NaiveTime::MIN).and_utc())
    }

    pub(super) fn end_id(self) -> Uuid {
        first_id_at(self.end())
    }

    pub(super) fn end(self) -> DateTime<Utc> {
        let next = self.0.succ_opt().unwrap_or(NaiveDate::MAX);
        next.and_time(NaiveTime::MIN).and_utc()
    }

    pub(super) fn table(self) -> String {
        format!("{PREFIX}{}", self.0.format(DATE_FORMAT))
    }

    fn parse(table: &str) -> Option<Self> {
        let date = table.strip_prefix(PREFIX)?;
        NaiveDate::parse_from_str(date, DATE_FORMAT).ok().map(Self)
    }
}

/// Lower bound of every `UUIDv7` created at or after an instant.
pub(super) fn first_id_at(at: DateTime<Utc>) -> Uuid {
    let millis = u128::try_from(at.timestamp_millis()).unwrap_or_default();
    Uuid::from_u128(millis << 80)
}

/// The days that have a partition, oldest first.
pub(super) async fn list(pools: &Pools) -> Result<Vec<PartitionDay>, Error> {
    let sql = "SELECT child.relname AS name FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid \
               WHERE inhparent = 'journal'::regclass";
    let rows = pools.query(sql, Vec::new()).await?;
    let mut days = Vec::with_capacity(rows.len());
    for row in rows {
        let name: String = row.try_get("", "name")?;
        days.extend(PartitionDay::parse(&name));
    }
    days.sort_unstable();
    Ok(days)
}

/// Creates the missing partitions around `now`. Several processes may do so; the journal's
/// lock allows one at a time.
pub(super) async fn prepare(pools: &Pools, now: DateTime<Utc>) -> Result<(), Error> {
    if !pools.is_shared() {
        return Ok(());
    }
    let existing = list(pools).await?;
    let today = PartitionDay::of(now).0;
    let first = today
        .checked_sub_days(Days::new(DAYS_BEHIND))
        .unwrap_or(today);
    let count = usize::try_from(DAYS_BEHIND + 1 + DAYS_AHEAD).unwrap_or_default();
    for day in first.iter_days().take(count) {
        if !existing.contains(&PartitionDay(day)) {
            create(pools, PartitionDay(day)).await?;
        }
    }
    Ok(())
}

async fn create(pools: &Pools, day: PartitionDay) -> Result<(), Error> {
    pools
        .within(async |transaction| create_within(transaction, day).await)
        .await
}

/// Moves rows of the day from the default partition, with their `seq`: a partition cannot be
/// attached while the default partition contains rows of its range.
async fn create_within(transaction: &DatabaseTransaction, day: PartitionDay) -> Result<(), Error> {
    let (table, first, end) = (day.table(), day.first_id(), day.end_id());
    let existing = format!("SELECT 1 AS one WHERE to_regclass('{table}') IS NOT NULL");
    let existing = Statement::from_string(DbBackend::Postgres, existing);
    if transaction.query_one_raw(existing).await?.is_some() {
        return Ok(());
    }
    for statement in [
        format!("CREATE TABLE {table} (LIKE journal INCLUDING ALL)"),
        format!(
            "WITH moved AS (DELETE FROM {DEFAULT_PARTITION} WHERE id >= '{first}' AND id < '{end}' RETURNING *) \
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
        let day = PartitionDay::of(noon);
        assert_eq!(day.table(), "journal_20261121");
        assert_eq!(PartitionDay::parse("journal_20261121"), Some(day));
        assert_eq!(PartitionDay::parse(DEFAULT_PARTITION), None);
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
