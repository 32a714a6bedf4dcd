//! Purges on PostgreSQL: old rows of the default partition, then whole days.

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use uuid::Uuid;

use crate::db::Error;
use crate::db::pools::Pools;
use crate::journal::partitions::{self, DEFAULT_PARTITION, PartitionDay};
use crate::journal::purge_batch::{PURGE_BATCH_ROWS, PurgeBatch, PurgeLimit, PurgeRange};

pub(super) async fn next_batch(
    pools: &Pools,
    limit: &PurgeLimit,
    after: Option<PurgeRange>,
) -> Result<Option<PurgeBatch>, Error> {
    let (id_after, day_after) = match after {
        Some(PurgeRange::Day(day)) => (None, Some(day)),
        Some(PurgeRange::DefaultPartition(id)) => (Some(id), None),
        _ => (Some(Uuid::nil()), None),
    };
    if let Some(after) = id_after
        && let Some(batch) = next_in_default(pools, limit, after).await?
    {
        return Ok(Some(batch));
    }
    let days = partitions::list(pools).await?;
    let Some(day) = days
        .into_iter()
        .find(|day| day_after.is_none_or(|after| *day > after))
        .filter(|day| day.end() <= limit.received_before)
    else {
        return Ok(None);
    };
    if has_unprocessed(pools.reader(), limit, day).await? {
        return Ok(None);
    }
    let sql = format!("SELECT count(*) AS rows FROM {}", day.table());
    let rows: i64 = match pools.query(&sql, Vec::new()).await?.first() {
        Some(row) => row.try_get("", "rows")?,
        None => 0,
    };
    Ok(Some(PurgeBatch {
        rows: u64::try_from(rows).unwrap_or_default(),
        range: PurgeRange::Day(day),
    }))
}

async fn next_in_default(
    pools: &Pools,
    limit: &PurgeLimit,
    after: Uuid,
) -> Result<Option<PurgeBatch>, Error> {
    let sql = format!(
        "SELECT id FROM {DEFAULT_PARTITION} WHERE id > $1 AND id < $2 AND seq <= $3 ORDER BY id LIMIT $4"
    );
    let end = partitions::first_id_at(limit.received_before);
    let values = vec![
        after.into(),
        end.into(),
        limit.position.into(),
        i64::try_from(PURGE_BATCH_ROWS).unwrap_or(i64::MAX).into(),
    ];
    let rows = pools.query(&sql, values).await?;
    let Some(last) = rows.last() else {
        return Ok(None);
    };
    Ok(Some(PurgeBatch {
        rows: rows.len() as u64,
        range: PurgeRange::DefaultPartition(last.try_get("", "id")?),
    }))
}

/// Whether a day, or older rows in the default partition, contain unprocessed callbacks.
async fn has_unprocessed(
    connection: &impl ConnectionTrait,
    limit: &PurgeLimit,
    day: PartitionDay,
) -> Result<bool, Error> {
    let sql = format!(
        "SELECT 1 AS one WHERE EXISTS (SELECT 1 FROM {} WHERE seq > $1) \
         OR EXISTS (SELECT 1 FROM {DEFAULT_PARTITION} WHERE id < $2 AND seq > $1)",
        day.table()
    );
    let values = [limit.position.into(), day.end_id().into()];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    Ok(connection.query_one_raw(statement).await?.is_some())
}

/// Drops the partition of a day; false if an unprocessed callback arrived in it.
pub(super) async fn drop_day(
    pools: &Pools,
    limit: &PurgeLimit,
    day: PartitionDay,
) -> Result<bool, Error> {
    pools
        .within(async |transaction| {
            // Checked again under the lock: nothing can arrive now.
            if has_unprocessed(transaction, limit, day).await? {
                return Ok(false);
            }
            let sql = format!("DROP TABLE IF EXISTS {}", day.table());
            transaction.execute_unprepared(&sql).await?;
            Ok(true)
        })
        .await
}

/// Deletes processed rows of the default partition up to `last`.
pub(super) async fn purge_default(
    pools: &Pools,
    limit: &PurgeLimit,
    last: Uuid,
) -> Result<u64, Error> {
    let sql = format!("DELETE FROM {DEFAULT_PARTITION} WHERE id <= $1 AND seq <= $2");
    let values = [last.into(), limit.position.into()];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    pools
        .within(async |transaction| Ok(transaction.execute_raw(statement).await?.rows_affected()))
        .await
}
