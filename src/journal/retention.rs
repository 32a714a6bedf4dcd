//! Which callbacks may leave the journal, in portions, and taking a portion out: rows on SQLite, whole days on PostgreSQL.
//!
//! **Invariant:** what leaves was read (its place is not beyond the reconcile position) and is older than its retention; and nothing
//! stays behind that is older than what left, so the oldest id in the journal tells what is gone.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, QueryResult, Statement, Value};
use uuid::Uuid;

use crate::db::Error;
use crate::db::connection::Pools;
use crate::db::instant;
use crate::domain::ids::CallbackId;
use crate::journal::days::{self, DEFAULT, Day};

/// Rows deleted in one go: as many as leave ingest's delays unchanged; a thousand tripled them.
pub const PORTION_ROWS: u64 = 250;
/// Bytes of bodies deleted in one go: each page of a large body has to be read to be freed.
const PORTION_BYTES: i64 = 4 * 1024 * 1024;
/// Pages that one step gives back to the file system: each one moves another to its place.
const PAGES: u32 = 64;

/// What may leave the journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leave {
    /// The reconcile position: what lies beyond it was not read.
    pub position: i64,
    /// Received before.
    pub received_before: DateTime<Utc>,
}

/// Callbacks that leave together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Portion {
    /// How many.
    pub rows: u64,
    bounds: Bounds,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bounds {
    /// Everything up to this place.
    Until(i64),
    /// What lies in the default partition up to this id.
    Strays(Uuid),
    /// A whole day.
    Day(Day),
}

/// Where the journal begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Beginning {
    /// The lowest place.
    pub seq: i64,
    /// The smallest id: of a callback with a smaller one nothing is left.
    pub id: CallbackId,
}

/// Work that the journal's writer does between two batches.
#[derive(Clone, Debug)]
pub(super) enum Chore {
    /// Delete everything up to this place.
    Remove(i64),
    /// Give some free pages back to the file system.
    GiveBack,
}

/// The next portion after `after`; `None` when nothing more may leave.
pub(super) async fn next_portion(
    pools: &Pools,
    leave: &Leave,
    after: Option<&Portion>,
) -> Result<Option<Portion>, Error> {
    match pools.reader().get_database_backend() {
        DbBackend::Postgres => next_on_postgres(pools, leave, after).await,
        _ => next_rows(pools, leave, after).await,
    }
}

async fn next_rows(
    pools: &Pools,
    leave: &Leave,
    after: Option<&Portion>,
) -> Result<Option<Portion>, Error> {
    let after = match after.map(|portion| portion.bounds) {
        Some(Bounds::Until(seq)) => seq,
        _ => 0,
    };
    let rows = query(
        pools,
        "SELECT seq, received_at, size FROM journal WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3",
        vec![after.into(), leave.position.into(), PORTION_ROWS.into()],
    )
    .await?;
    let before = instant::write(leave.received_before);
    let (mut portion, mut bytes) = (None, 0_i64);
    for (number, row) in (1..).zip(&rows) {
        let (seq, received_at, size): (i64, i64, i64) = (
            row.try_get("", "seq")?,
            row.try_get("", "received_at")?,
            row.try_get("", "size")?,
        );
        bytes = bytes.saturating_add(size);
        // One that is not old enough ends it, whatever came after it: a journal with holes could not be read again.
        if received_at >= before || (portion.is_some() && bytes > PORTION_BYTES) {
            break;
        }
        portion = Some(Portion {
            rows: number,
            bounds: Bounds::Until(seq),
        });
    }
    Ok(portion)
}

async fn next_on_postgres(
    pools: &Pools,
    leave: &Leave,
    after: Option<&Portion>,
) -> Result<Option<Portion>, Error> {
    let bounds = after.map(|portion| portion.bounds);
    let (strays_after, days_after) = match bounds {
        Some(Bounds::Day(day)) => (None, Some(day)),
        Some(Bounds::Strays(id)) => (Some(id), None),
        _ => (Some(Uuid::nil()), None),
    };
    if let Some(after) = strays_after
        && let Some(portion) = next_strays(pools, leave, after).await?
    {
        return Ok(Some(portion));
    }
    let days = days::list(pools).await?;
    let Some(day) = days
        .into_iter()
        .find(|day| days_after.is_none_or(|after| *day > after))
        .filter(|day| day.end() <= leave.received_before)
    else {
        return Ok(None);
    };
    if holds_back(pools.reader(), leave, day).await? {
        return Ok(None);
    }
    let sql = format!("SELECT count(*) AS rows FROM {}", day.table());
    let rows = query(pools, &sql, Vec::new()).await?;
    Ok(Some(Portion {
        rows: count_of(&rows)?,
        bounds: Bounds::Day(day),
    }))
}

async fn next_strays(pools: &Pools, leave: &Leave, after: Uuid) -> Result<Option<Portion>, Error> {
    let sql = format!(
        "SELECT id FROM {DEFAULT} WHERE id > $1 AND id < $2 AND seq <= $3 ORDER BY id LIMIT $4"
    );
    let end = days::first_id_at(leave.received_before);
    let values = vec![
        after.into(),
        end.into(),
        leave.position.into(),
        i64::try_from(PORTION_ROWS).unwrap_or(i64::MAX).into(),
    ];
    let rows = query(pools, &sql, values).await?;
    let Some(last) = rows.last() else {
        return Ok(None);
    };
    Ok(Some(Portion {
        rows: u64::try_from(rows.len()).unwrap_or_default(),
        bounds: Bounds::Strays(last.try_get("", "id")?),
    }))
}

/// Whether a day, or something older in the default partition, holds what was not read.
async fn holds_back(
    connection: &impl ConnectionTrait,
    leave: &Leave,
    day: Day,
) -> Result<bool, Error> {
    let sql = format!(
        "SELECT 1 AS one WHERE EXISTS (SELECT 1 FROM {} WHERE seq > $1) \
         OR EXISTS (SELECT 1 FROM {DEFAULT} WHERE id < $2 AND seq > $1)",
        day.table()
    );
    let values = [leave.position.into(), day.end_id().into()];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    Ok(connection.query_one_raw(statement).await?.is_some())
}

/// Takes a portion out of PostgreSQL's journal; how many rows that were. `None` when something that has to be read came into it meanwhile.
pub(super) async fn remove_on_postgres(
    pools: &Pools,
    leave: &Leave,
    portion: &Portion,
) -> Result<Option<u64>, Error> {
    pools
        .within(async |transaction| remove_within(transaction, leave, portion).await)
        .await
}

async fn remove_within(
    transaction: &DatabaseTransaction,
    leave: &Leave,
    portion: &Portion,
) -> Result<Option<u64>, Error> {
    match portion.bounds {
        // The lock is ours now, and nothing comes in: what was true when the portion was made is asked again.
        Bounds::Day(day) if !holds_back(transaction, leave, day).await? => {
            let sql = format!("DROP TABLE IF EXISTS {}", day.table());
            transaction.execute_unprepared(&sql).await?;
            Ok(Some(portion.rows))
        }
        Bounds::Strays(last) => {
            let sql = format!("DELETE FROM {DEFAULT} WHERE id <= $1 AND seq <= $2");
            let values = [last.into(), leave.position.into()];
            let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
            let done = transaction.execute_raw(statement).await?;
            Ok(Some(done.rows_affected()))
        }
        Bounds::Day(_) | Bounds::Until(_) => Ok(None),
    }
}

/// The work that takes a portion out of SQLite's journal.
pub(super) fn chore(portion: &Portion) -> Option<Chore> {
    match portion.bounds {
        Bounds::Until(seq) => Some(Chore::Remove(seq)),
        Bounds::Strays(_) | Bounds::Day(_) => None,
    }
}

/// Does a chore; returns rows removed, or pages that are still free.
pub(super) async fn run(pools: Pools, chore: Chore) -> Result<u64, Error> {
    match chore {
        Chore::Remove(until) => remove_rows(&pools, until).await,
        Chore::GiveBack => pools.give_back(PAGES).await,
    }
}

async fn remove_rows(pools: &Pools, until: i64) -> Result<u64, Error> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Sqlite,
        "DELETE FROM journal WHERE seq <= $1",
        [until.into()],
    );
    pools
        .within(async |transaction| Ok(transaction.execute_raw(statement).await?.rows_affected()))
        .await
}

/// Where the journal begins; absent while it is empty.
pub(super) async fn beginning(pools: &Pools) -> Result<Option<Beginning>, Error> {
    find_beginning(pools, "seq > $1", i64::MIN.into()).await
}

/// Where it begins when everything up to `last` has left; absent when nothing is left.
pub(super) async fn beginning_after(
    pools: &Pools,
    last: &Portion,
) -> Result<Option<Beginning>, Error> {
    match last.bounds {
        Bounds::Until(seq) => find_beginning(pools, "seq > $1", seq.into()).await,
        Bounds::Strays(id) => find_beginning(pools, "id > $1", id.into()).await,
        Bounds::Day(day) => find_beginning(pools, "id >= $1", day.end_id().into()).await,
    }
}

async fn find_beginning(
    pools: &Pools,
    condition: &str,
    value: Value,
) -> Result<Option<Beginning>, Error> {
    let sql = format!(
        "SELECT (SELECT seq FROM journal WHERE {condition} ORDER BY seq LIMIT 1) AS seq, \
         (SELECT id FROM journal WHERE {condition} ORDER BY id LIMIT 1) AS id"
    );
    let rows = query(pools, &sql, vec![value]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let (seq, id): (Option<i64>, Option<Uuid>) = (row.try_get("", "seq")?, row.try_get("", "id")?);
    Ok(seq
        .zip(id)
        .map(|(seq, id)| Beginning { seq, id: id.into() }))
}

async fn query(pools: &Pools, sql: &str, values: Vec<Value>) -> Result<Vec<QueryResult>, Error> {
    let backend = pools.reader().get_database_backend();
    let statement = Statement::from_sql_and_values(backend, sql, values);
    Ok(pools.reader().query_all_raw(statement).await?)
}

fn count_of(rows: &[QueryResult]) -> Result<u64, Error> {
    let number: i64 = match rows.first() {
        Some(row) => row.try_get("", "rows")?,
        None => 0,
    };
    Ok(u64::try_from(number).unwrap_or_default())
}
