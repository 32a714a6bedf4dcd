//! A connection to SQLite outside of its pool, for a task that writes continuously.
//!
//! Whenever a connection returns to its pool, the driver starts a task that asks the connection's
//! thread whether it is alive. At ordinary load that was a fifth of the context switches per
//! callback.

use std::sync::Arc;

use sea_orm::sqlx::{AssertSqlSafe, Connection, Error as SqlxError, SqliteConnection, query_with};
use sea_orm::{DbErr, RuntimeErr, Statement, Values};
use sea_query_sqlx::SqlxValues;
use tokio::sync::Mutex;

use crate::db::Error;
use crate::db::pools::Pools;

/// Opened at its first statement.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeldConnection(Arc<Mutex<Option<SqliteConnection>>>);

impl HeldConnection {
    /// Runs a statement, which is a transaction of its own, on a connection with the settings of
    /// the pool's writer.
    pub(crate) async fn execute(&self, pools: &Pools, statement: Statement) -> Result<(), Error> {
        let mut held = self.0.lock().await;
        let connection = match &mut *held {
            Some(connection) => connection,
            none => {
                let pool = pools.writer().get_sqlite_connection_pool();
                none.insert(pool.acquire().await.map_err(failed)?.detach())
            }
        };
        let Statement { sql, values, .. } = statement;
        let values = SqlxValues(values.unwrap_or(Values(Vec::new())));
        query_with(AssertSqlSafe(sql), values)
            .execute(connection)
            .await
            .map_err(failed)?;
        Ok(())
    }

    pub(crate) async fn close(&self) {
        if let Some(connection) = self.0.lock().await.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "a connection could not be closed cleanly");
        }
    }
}

fn failed(error: SqlxError) -> Error {
    DbErr::Exec(RuntimeErr::SqlxError(Arc::new(error))).into()
}
