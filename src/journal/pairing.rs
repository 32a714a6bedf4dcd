//! The mark that each start stores in `bluetick.db`, then in `journal.db`. A main database that
//! does not know the journal's mark is from another point in time.
//!
//! PostgreSQL needs none: both parts are one database and are restored together.

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use uuid::Uuid;

use crate::db::Error;
use crate::db::connection::Pools;

/// The mark of the last start.
pub(super) async fn find(pools: &Pools) -> Result<Option<Uuid>, Error> {
    let engine = pools.reader().get_database_backend();
    if engine == DbBackend::Postgres {
        return Ok(None);
    }
    let statement =
        Statement::from_string(engine, "SELECT mark FROM journal_pairing WHERE one = 1");
    match pools.reader().query_one_raw(statement).await? {
        Some(row) => Ok(Some(row.try_get("", "mark")?)),
        None => Ok(None),
    }
}

/// Under a lock held elsewhere the previous mark stays, which the main database knows as well.
pub(super) async fn store_mark(pools: &Pools, mark: Uuid) -> Result<(), Error> {
    let engine = pools.writer().get_database_backend();
    if engine == DbBackend::Postgres {
        return Ok(());
    }
    let statement = Statement::from_sql_and_values(
        engine,
        "INSERT INTO journal_pairing (one, mark) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET mark = excluded.mark",
        [mark.into()],
    );
    match pools
        .writer()
        .execute_raw(statement)
        .await
        .map_err(Error::from)
    {
        Err(error) if error.is_busy() => Ok(()),
        done => done.map(|_| ()),
    }
}
