//! A single connection to a PostgreSQL server, with errors that name its address.

use std::io;
use std::str::FromStr;
use std::time::Duration;

use sea_orm::SqlxError;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection};
use sea_orm::sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tokio::time::{Instant, sleep, timeout_at};

use crate::db::error::Error;
use crate::domain::secret::Secret;

/// Short, so that a start fails within 5 s if the server does not answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// The statements of this program rely on these settings, so they override those of the server, the
/// database and the role. An acknowledged callback must survive a power failure.
const SESSION_SETTINGS: &str = "SET default_transaction_isolation = 'read committed'; \
     SET TimeZone = 'UTC'; \
     SET DateStyle = 'ISO, MDY'; \
     SET standard_conforming_strings = on; \
     SELECT set_config('synchronous_commit', 'on', false) \
     WHERE current_setting('synchronous_commit') = 'off'";

/// The statements that are run first on every connection.
pub(super) fn session_settings(url: &Secret) -> String {
    match schema_name(url.expose()) {
        Some(schema) => format!("{SESSION_SETTINGS}; SET search_path = \"{schema}\""),
        None => SESSION_SETTINGS.to_owned(),
    }
}

/// The value of `?schema=NAME`; each test uses its own schema.
fn schema_name(url: &str) -> Option<&str> {
    let (_, query) = url.split_once('?')?;
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix("schema="))
}

pub(super) fn parse_options(url: &Secret) -> Result<PgConnectOptions, Error> {
    let options = PgConnectOptions::from_str(url.expose())
        .map_err(|error| Error::Unusable(format!("database_url: {error}")))?;
    Ok(options
        .application_name("bluetick")
        .disable_statement_logging())
}

/// Waits a few seconds for a server that is starting or has no free connection.
pub(super) async fn connect(
    url: &Secret,
    options: &PgConnectOptions,
) -> Result<PgConnection, Error> {
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    // Says more than that the last attempt was not answered in the rest of the time.
    let mut answered = None;
    loop {
        let connected = timeout_at(deadline, PgConnection::connect_with(options)).await;
        let error = match connected {
            Ok(Ok(mut connection)) => {
                let settings = AssertSqlSafe(session_settings(url));
                let set = connection.execute(settings).await;
                set.map_err(|error| connect_error(options, error))?;
                return Ok(connection);
            }
            Ok(Err(error)) => error,
            Err(_) => answered.unwrap_or_else(|| SqlxError::Io(io::ErrorKind::TimedOut.into())),
        };
        if !is_temporary(&error) || Instant::now() + RETRY_INTERVAL > deadline {
            return Err(connect_error(options, error));
        }
        answered = Some(error);
        sleep(RETRY_INTERVAL).await;
    }
}

fn is_temporary(error: &SqlxError) -> bool {
    match error {
        SqlxError::Io(error) => error.kind() == io::ErrorKind::ConnectionRefused,
        // Too many connections; the server is starting up.
        SqlxError::Database(error) => {
            matches!(error.code().as_deref(), Some("53300" | "57P03"))
        }
        _ => false,
    }
}

fn connect_error(options: &PgConnectOptions, error: SqlxError) -> Error {
    let address = address(options);
    match error {
        SqlxError::Io(error)
            if error.raw_os_error().is_none() && error.kind() != io::ErrorKind::TimedOut =>
        {
            Error::Unusable(format!("{error}: {address}"))
        }
        // Without the error number of the operating system.
        SqlxError::Io(error) => Error::Unusable(format!("{} at {address}", error.kind())),
        SqlxError::Tls(error) => Error::Unusable(format!("no TLS with {address}: {error}")),
        error => Error::from(sea_orm::DbErr::Conn(sea_orm::RuntimeErr::SqlxError(
            error.into(),
        ))),
    }
}

fn address(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(folder) => format!("{}/.s.PGSQL.{}", folder.display(), options.get_port()),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}
