//! Selects and purges callbacks past their retention: rows on SQLite, whole days on PostgreSQL.
//!
//! **Invariant:** a purged callback was processed (its seq is not beyond the reconcile position)
//! and is past its retention, and nothing older stays,
//! so the oldest id in the journal tells what was purged.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, QueryResult, Statement, Value};
use uuid::Uuid;

use crate::db::Error;
use crate::db::connection::Pools;
use crate::db::instant;
use crate::domain::ids::CallbackId;
use crate::journal::days::{self, DEFAULT, PartitionDay};

/// Rows per purge batch: does not change ingest latency; a thousand tripled it.
pub const PURGE_BATCH_ROWS: u64 = 250;
/// Bytes of bodies per purge batch: each page of a large body must be read to be freed.
const PORTION_BYTES: i64 = 4 * 1024 * 1024;
/// Pages freed per step: each step moves another page.
const PAGES: u32 = 64;

/// Which callbacks may be purged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PurgeLimit {
    /// The reconcile position; later entries are unprocessed.
    pub position: i64,
    pub received_before: DateTime<Utc>,
}

/// Callbacks that are purged together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PurgeBatch {
    pub rows: u64,
    bounds: PurgeRange,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PurgeRange {
    /// All rows up to this seq.
    Until(i64),
    /// Rows of the default partition up to this id.
    Strays(Uuid),
    PartitionDay(PartitionDay),
}

/// Start of the journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JournalStart {
    pub seq: i64,
    /// Smallest id; every callback with a smaller id was purged.
    pub id: CallbackId,
}

/// Maintenance between two batches of the writer.
#[derive(Clone, Debug)]
pub(super) enum MaintenanceTask {
    Remove(i64),
    /// Return some free pages to the file system.
    GiveBack,
}

/// The next batch after `after`; `None` if nothing more may be purged.
pub(super) async fn next_portion(
    pools: &Pools,
    purge_limit: &PurgeLimit,
    after: Option<&PurgeBatch>,
) -> Result<Option<PurgeBatch>, Error> {
    match pools.reader().get_database_backend() {
        DbBackend::Postgres => next_on_postgres(pools, purge_limit, after).await,
        _ => next_rows(pools, purge_limit, after).await,
    }
}

async fn next_rows(
    pools: &Pools,
    purge_limit: &PurgeLimit,
    after: Option<&PurgeBatch>,
) -> Result<Option<PurgeBatch>, Error> {
    let after = match after.map(|purge_batch| purge_batch.bounds) {
        Some(PurgeRange::Until(seq)) => seq,
        _ => 0,
    };
    let rows = query(
        pools,
        "SELECT seq, received_at, size FROM journal WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3",
        vec![after.into(), purge_limit.position.into(), PURGE_BATCH_ROWS.into()],
    )
    .await?;
    let before = instant::write(purge_limit.received_before);
    let (mut purge_batch, mut bytes) = (None, 0_i64);
    for (number, row) in (1..).zip(&rows) {
        let (seq, received_at, size): (i64, i64, i64) = (
            row.try_get("", "seq")?,
            row.try_get("", "received_at")?,
            row.try_get("", "size")?,
        );
        bytes = bytes.saturating_add(size);
        // Ends at the first row that is not old enough, so that the journal has no gaps.
        if received_at >= before || (purge_batch.is_some() && bytes > PORTION_BYTES) {
            break;
        }
        purge_batch = Some(PurgeBatch {
            rows: number,
            bounds: PurgeRange::Until(seq),
        });
    }
    Ok(purge_batch)
}

async fn next_on_postgres(
    pools: &Pools,
    purge_limit: &PurgeLimit,
    after: Option<&PurgeBatch>,
) -> Result<Option<PurgeBatch>, Error> {
    let bounds = after.map(|purge_batch| purge_batch.bounds);
    let (strays_after, days_after) = match bounds {
        Some(PurgeRange::PartitionDay(day)) => (None, Some(day)),
        Some(PurgeRange::Strays(id)) => (Some(id), None),
        _ => (Some(Uuid::nil()), None),
    };
    if let Some(after) = strays_after
        && let Some(purge_batch) = next_strays(pools, purge_limit, after).await?
    {
        return Ok(Some(purge_batch));
    }
    let days = days::list(pools).await?;
    let Some(day) = days
        .into_iter()
        .find(|day| days_after.is_none_or(|after| *day > after))
        .filter(|day| day.end() <= purge_limit.received_before)
    else {
        return Ok(None);
    };
    if holds_back(pools.reader(), purge_limit, day).await? {
        return Ok(None);
    }
    let sql = format!("SELECT count(*) AS rows FROM {}", day.table());
    let rows = query(pools, &sql, Vec::new()).await?;
    Ok(Some(PurgeBatch {
        rows: count_of(&rows)?,
        bounds: PurgeRange::PartitionDay(day),
    }))
}

async fn next_strays(
    pools: &Pools,
    purge_limit: &PurgeLimit,
    after: Uuid,
) -> Result<Option<PurgeBatch>, Error> {
    let sql = format!(
        "SELECT id FROM {DEFAULT} WHERE id > $1 AND id < $2 AND seq <= $3 ORDER BY id LIMIT $4"
    );
    let end = days::first_id_at(purge_limit.received_before);
    let values = vec![
        after.into(),
        end.into(),
        purge_limit.position.into(),
        i64::try_from(PURGE_BATCH_ROWS).unwrap_or(i64::MAX).into(),
    ];
    let rows = query(pools, &sql, values).await?;
    let Some(last) = rows.last() else {
        return Ok(None);
    };
    Ok(Some(PurgeBatch {
        rows: u64::try_from(rows.len()).unwrap_or_default(),
        bounds: PurgeRange::Strays(last.try_get("", "id")?),
    }))
}

/// Whether a day, or older rows in the default partition, contain unprocessed callbacks.
async fn holds_back(
    connection: &impl ConnectionTrait,
    purge_limit: &PurgeLimit,
    day: PartitionDay,
) -> Result<bool, Error> {
    let sql = format!(
        "SELECT 1 AS one WHERE EXISTS (SELECT 1 FROM {} WHERE seq > $1) \
         OR EXISTS (SELECT 1 FROM {DEFAULT} WHERE id < $2 AND seq > $1)",
        day.table()
    );
    let values = [purge_limit.position.into(), day.end_id().into()];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    Ok(connection.query_one_raw(statement).await?.is_some())
}

/// Purges a batch on PostgreSQL; returns the number of rows, or `None` if an unprocessed callback
/// arrived in it.
pub(super) async fn remove_on_postgres(
    pools: &Pools,
    purge_limit: &PurgeLimit,
    purge_batch: &PurgeBatch,
) -> Result<Option<u64>, Error> {
    pools
        .within(async |transaction| remove_within(transaction, purge_limit, purge_batch).await)
        .await
}

async fn remove_within(
    transaction: &DatabaseTransaction,
    purge_limit: &PurgeLimit,
    purge_batch: &PurgeBatch,
) -> Result<Option<u64>, Error> {
    match purge_batch.bounds {
        // Checked again under the lock: nothing can arrive now.
        PurgeRange::PartitionDay(day) if !holds_back(transaction, purge_limit, day).await? => {
            let sql = format!("DROP TABLE IF EXISTS {}", day.table());
            transaction.execute_unprepared(&sql).await?;
            Ok(Some(purge_batch.rows))
        }
        PurgeRange::Strays(last) => {
            let sql = format!("DELETE FROM {DEFAULT} WHERE id <= $1 AND seq <= $2");
            let values = [last.into(), purge_limit.position.into()];
            let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
            let done = transaction.execute_raw(statement).await?;
            Ok(Some(done.rows_affected()))
        }
        PurgeRange::PartitionDay(_) | PurgeRange::Until(_) => Ok(None),
    }
}

pub(super) fn maintenance_task(purge_batch: &PurgeBatch) -> Option<MaintenanceTask> {
    match purge_batch.bounds {
        PurgeRange::Until(seq) => Some(MaintenanceTask::Remove(seq)),
        PurgeRange::Strays(_) | PurgeRange::PartitionDay(_) => None,
    }
}

/// Returns the number of deleted rows, or of pages still free.
pub(super) async fn run(pools: Pools, maintenance_task: MaintenanceTask) -> Result<u64, Error> {
    match maintenance_task {
        MaintenanceTask::Remove(until) => remove_rows(&pools, until).await,
        MaintenanceTask::GiveBack => pools.give_back(PAGES).await,
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

/// `None` if the journal is empty.
pub(super) async fn find_start(pools: &Pools) -> Result<Option<JournalStart>, Error> {
    query_start(pools, "seq > $1", i64::MIN.into()).await
}

/// The start of the journal after everything up to `last` was purged; `None` if nothing is left.
pub(super) async fn find_start_after(
    pools: &Pools,
    last: &PurgeBatch,
) -> Result<Option<JournalStart>, Error> {
    match last.bounds {
        PurgeRange::Until(seq) => query_start(pools, "seq > $1", seq.into()).await,
        PurgeRange::Strays(id) => query_start(pools, "id > $1", id.into()).await,
        PurgeRange::PartitionDay(day) => query_start(pools, "id >= $1", day.end_id().into()).await,
    }
}

async fn query_start(
    pools: &Pools,
    condition: &str,
    value: Value,
) -> Result<Option<JournalStart>, Error> {
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
        .map(|(seq, id)| JournalStart { seq, id: id.into() }))
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
