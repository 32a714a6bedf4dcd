//! What pairs a journal with its main database: an identity, the highest seq, and the mark that
//! each start stores in `bluetick.db`, then in `journal.db`. A main database without the journal's
//! mark is from another point in time.
//!
//! PostgreSQL needs no mark: main database and journal are one database and are restored together.

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use uuid::Uuid;

use crate::db::Error;
use crate::db::pools::Pools;

pub(super) async fn read_identity(pools: &Pools) -> Result<Uuid, Error> {
    let sql = "SELECT id FROM journal_identity WHERE one = 1";
    match pools.query(sql, Vec::new()).await?.first() {
        Some(row) => Ok(row.try_get("", "id")?),
        None => Err(Error::inconsistent("journal_identity", "one", 1)),
    }
}

pub(crate) async fn read_end(pools: &Pools) -> Result<i64, Error> {
    let sql = if pools.is_shared() {
        "SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS seq FROM journal_seq"
    } else {
        // The highest number ever assigned, also after a purge; no row before the first.
        "SELECT seq FROM sqlite_sequence WHERE name = 'journal'"
    };
    match pools.query(sql, Vec::new()).await?.first() {
        Some(row) => Ok(row.try_get("", "seq")?),
        None => Ok(0),
    }
}

/// The mark of the last start.
pub(super) async fn find_mark(pools: &Pools) -> Result<Option<Uuid>, Error> {
    if pools.is_shared() {
        return Ok(None);
    }
    let sql = "SELECT mark FROM journal_pairing WHERE one = 1";
    match pools.query(sql, Vec::new()).await?.first() {
        Some(row) => Ok(Some(row.try_get("", "mark")?)),
        None => Ok(None),
    }
}

/// Stores the mark of this start. If a lock is held elsewhere, the previous mark stays, which the
/// main database has as well.
pub(super) async fn store_mark(pools: &Pools, mark: Uuid) -> Result<(), Error> {
    if pools.is_shared() {
        return Ok(());
    }
    let statement = Statement::from_sql_and_values(
        DbBackend::Sqlite,
        "INSERT INTO journal_pairing (one, mark) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET mark = excluded.mark",
        [mark.into()],
    );
    let result = pools.writer().execute_raw(statement).await;
    match result.map_err(Error::from) {
        Err(error) if error.is_busy() => Ok(()),
        result => result.map(|_| ()),
    }
}

/// Makes later sequence numbers greater than `seq`. Does nothing on PostgreSQL.
pub(super) async fn skip_to(pools: &Pools, seq: i64) -> Result<(), Error> {
    if pools.is_shared() || read_end(pools).await? >= seq {
        return Ok(());
    }
    pools
        .within(async |transaction| {
            for sql in [
                "INSERT INTO sqlite_sequence (name, seq) SELECT 'journal', 0 \
                 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'journal')",
                &format!("UPDATE sqlite_sequence SET seq = {seq} WHERE name = 'journal'"),
            ] {
                transaction.execute_unprepared(sql).await?;
            }
            Ok(())
        })
        .await
}
