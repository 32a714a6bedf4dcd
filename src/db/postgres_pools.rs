//! The two pools of a PostgreSQL database, for writing and for reading.

use std::sync::Arc;

use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::{AssertSqlSafe, Connection, Executor, query_scalar};
use sea_orm::{ConnectOptions, Database, DatabaseConnection};

use crate::db::connect_options::ACQUIRE_TIMEOUT;
use crate::db::error::Error;
use crate::db::postgres_connection::{connect, parse_options, session_settings};
use crate::db::socket_relay::{ServerAddress, SocketRelay};
use crate::domain::secret::Secret;

/// Only one writes at a time; the other is a spare in case the server stops answering the first.
const WRITERS: u32 = 2;

pub(super) struct PostgresPools {
    pub(super) writer: DatabaseConnection,
    pub(super) readers: DatabaseConnection,
    /// Both pools connect through it.
    pub(super) relay: Option<Arc<SocketRelay>>,
}

impl PostgresPools {
    /// `connections` is the limit of the process; the main database and the journal each use half.
    pub(super) async fn open(url: &Secret, connections: u32) -> Result<Self, Error> {
        let relay = start_relay(url).await?.map(Arc::new);
        let share = connections / 2;
        let writers = if share > WRITERS { WRITERS } else { 1 };
        let folder = relay.as_ref().map(|relay| relay.folder().to_owned());
        let open =
            |connections| Database::connect(pool_options(url, connections, folder.as_deref()));
        Ok(Self {
            writer: open(writers).await?,
            readers: open(share - writers).await?,
            relay,
        })
    }
}

fn pool_options(url: &Secret, connections: u32, relay_folder: Option<&str>) -> ConnectOptions {
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
    if let Some(folder) = relay_folder {
        let folder = folder.to_owned();
        options.map_sqlx_postgres_opts(move |options| options.socket(&folder));
    }
    options
}

/// Only for TLS over TCP, where the driver's writes are slow.
async fn start_relay(url: &Secret) -> Result<Option<SocketRelay>, Error> {
    let options = parse_options(url)?;
    if !uses_tls(url, &options).await?
        || options.get_socket().is_some()
        || !cfg!(target_os = "linux")
    {
        return Ok(None);
    }
    let server = ServerAddress {
        // An IPv6 address is in brackets.
        host: options.get_host().trim_matches(['[', ']']).to_owned(),
        port: options.get_port(),
    };
    match SocketRelay::start(server) {
        Ok(relay) => Ok(Some(relay)),
        Err(error) => {
            tracing::warn!(%error, "no relay to PostgreSQL; large batches will be slow over TLS");
            Ok(None)
        }
    }
}

async fn uses_tls(url: &Secret, options: &PgConnectOptions) -> Result<bool, Error> {
    let mut connection = connect(url, options).await?;
    let uses_tls = query_scalar("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        // A pooler may not support named statements.
        .persistent(false)
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    Ok(uses_tls)
}
