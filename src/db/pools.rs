//! Opens databases, each with a single writer and a pool of readers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{
    ConnectionTrait, Database, DatabaseConnection, DbBackend, QueryResult, Statement, Value,
};

use crate::db::connect_options::{ConnectionUse, WriterSettings, sqlite_options};
use crate::db::database_location::DatabaseLocation;
use crate::db::error::Error;
use crate::db::postgres_pools::PostgresPools;
use crate::db::private_file::create_private_file;
use crate::db::socket_relay::SocketRelay;

#[derive(Clone, Debug)]
pub struct Pools {
    writer: DatabaseConnection,
    readers: DatabaseConnection,
    /// Key of PostgreSQL's advisory lock that a write transaction holds.
    pub(super) writer_lock: i64,
    pub(super) lock_timeout: Duration,
    file: Option<PathBuf>,
    /// WAL size in pages at which a separate connection checkpoints.
    pub(super) checkpoint_pages: Option<u32>,
    /// Runs as long as the pools exist.
    _relay: Option<Arc<SocketRelay>>,
}

impl Pools {
    /// Opens a SQLite file or connects to PostgreSQL. Applies no migrations.
    pub async fn open(
        location: &DatabaseLocation,
        writer_lock: i64,
        writer: WriterSettings,
    ) -> Result<Self, Error> {
        match location {
            DatabaseLocation::File(path) => Self::open_sqlite(path, writer_lock, writer).await,
            DatabaseLocation::Server { url, connections } => {
                let pools = PostgresPools::open(url, *connections).await?;
                Ok(Self::from_postgres(pools, writer_lock, writer.busy_timeout))
            }
        }
    }

    /// Creates the file with mode 0600 if it does not exist.
    async fn open_sqlite(
        path: &Path,
        writer_lock: i64,
        writer: WriterSettings,
    ) -> Result<Self, Error> {
        create_private_file(path)?;
        let is_new = path.metadata().is_ok_and(|metadata| metadata.len() == 0);
        let purpose = if is_new {
            ConnectionUse::Creating
        } else {
            ConnectionUse::Writing
        };
        Ok(Self {
            writer: connect(path, purpose, writer).await?,
            readers: connect(path, ConnectionUse::Reading, writer).await?,
            writer_lock,
            lock_timeout: writer.busy_timeout,
            file: Some(path.to_owned()),
            checkpoint_pages: writer.checkpoint_pages,
            _relay: None,
        })
    }

    /// An advisory lock allows one writer at a time; a writer that does not get it within
    /// `lock_timeout` gets a retryable error.
    fn from_postgres(pools: PostgresPools, writer_lock: i64, lock_timeout: Duration) -> Self {
        Self {
            writer: pools.writer,
            readers: pools.readers,
            writer_lock,
            lock_timeout,
            file: None,
            checkpoint_pages: None,
            _relay: pools.relay,
        }
    }

    /// For reading; never blocks the writer.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.readers
    }

    /// For migrations and statements outside a write transaction.
    pub fn writer(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// Reads rows with a statement for this engine.
    pub(crate) async fn query(
        &self,
        sql: &str,
        values: Vec<Value>,
    ) -> Result<Vec<QueryResult>, Error> {
        let engine = self.readers.get_database_backend();
        let statement = Statement::from_sql_and_values(engine, sql, values);
        Ok(self.readers.query_all_raw(statement).await?)
    }

    /// `None` on PostgreSQL.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Whether other processes may use the same database.
    pub fn is_shared(&self) -> bool {
        self.writer.get_database_backend() == DbBackend::Postgres
    }

    /// Calls `observer` with each statement and its values from now on.
    pub fn observe_statements(
        &mut self,
        observer: impl Fn(&Statement) + Clone + Send + Sync + 'static,
    ) {
        for connection in [&mut self.writer, &mut self.readers] {
            let observer = observer.clone();
            connection.set_metric_callback(move |execution| observer(execution.statement));
        }
    }

    /// Closes every connection; SQLite checkpoints its WAL.
    pub async fn close(self) -> Result<(), Error> {
        self.readers.close().await?;
        self.writer.close().await?;
        Ok(())
    }
}

async fn connect(
    path: &Path,
    purpose: ConnectionUse,
    writer: WriterSettings,
) -> Result<DatabaseConnection, Error> {
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let connected = Database::connect(sqlite_options(&url, purpose, writer)).await;
    connected.map_err(|error| match Error::from(error) {
        error if error.is_damage() => Error::NotADatabase {
            path: path.display().to_string(),
            reason: error.to_string(),
        },
        error => error,
    })
}
