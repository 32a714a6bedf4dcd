//! The two pools of a PostgreSQL database, for writing and for reading.

use sea_orm::sqlx::{AssertSqlSafe, Connection, Executor};
use sea_orm::{ConnectOptions, Database, DatabaseConnection};

use crate::db::connect_options::ACQUIRE_TIMEOUT;
use crate::db::error::Error;
use crate::db::postgres_connection::{connect, parse_options, session_settings};
use crate::domain::secret::Secret;

/// One writes at a time; one is spare in case a silent server blocks the first.
const WRITERS: u32 = 2;

pub(super) struct PostgresPools {
    pub(super) writer: DatabaseConnection,
    pub(super) readers: DatabaseConnection,
}

impl PostgresPools {
    /// `connections` of the process; main database and journal have half of them each.
    pub(super) async fn open(url: &Secret, connections: u32) -> Result<Self, Error> {
        let options = parse_options(url)?;
        connect(url, &options).await?.close().await?;
        let share = connections / 2;
        let writers = if share > WRITERS { WRITERS } else { 1 };
        let open = |connections| Database::connect(pool_options(url, connections));
        Ok(Self {
            writer: open(writers).await?,
            readers: open(share - writers).await?,
        })
    }
}

fn pool_options(url: &Secret, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url.expose());
    let settings = session_settings(url);
    options
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .sqlx_logging(false)
        .set_application_name("bluetick")
        .map_sqlx_postgres_pool_opts(move |pool| {
            let settings = settings.clone();
            pool.after_connect(move |connection, _| {
                let settings = AssertSqlSafe(settings.clone());
                Box::pin(async move { connection.execute(settings).await.map(drop) })
            })
        });
    options
}
