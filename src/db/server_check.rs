//! Checks whether a PostgreSQL server, database and role can be used, before anything is created
//! there.

use std::time::Duration;

use sea_orm::SqlxError;
use sea_orm::sqlx::postgres::PgRow;
use sea_orm::sqlx::{Connection, Row, query, query_scalar};
use tokio::time::timeout;

use crate::db::error::{Error, POOLER_HINT};
use crate::db::postgres_connection::{connect, parse_options};
use crate::domain::secret::Secret;

/// Longer than a connection may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);

/// Returns identifiers quoted, ready for use in a statement.
const STATE_QUERY: &str = "SELECT \
     quote_ident(session_user) AS role, \
     quote_ident(current_database()) AS database, \
     current_setting('server_encoding') AS encoding, \
     current_setting('search_path') AS search_path, \
     quote_ident(current_schema()) AS schema, \
     coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create, \
     pg_is_in_recovery() AS is_standby, \
     current_setting('transaction_read_only') = 'on' AS is_read_only, \
     current_setting('max_connections')::int \
     - current_setting('superuser_reserved_connections')::int \
     - coalesce(current_setting('reserved_connections', true)::int, 0) AS server_limit, \
     CASE WHEN NOT rolsuper THEN nullif(datconnlimit, -1) END AS database_limit, \
     CASE WHEN NOT rolsuper THEN nullif(rolconnlimit, -1) END AS role_limit \
     FROM pg_roles, pg_database \
     WHERE rolname = session_user AND datname = current_database()";

#[derive(Clone, Debug)]
struct ServerState {
    role: String,
    database: String,
    encoding: String,
    search_path: String,
    /// Where tables are created: the first schema of the search path that exists.
    schema: Option<String>,
    may_create: bool,
    is_standby: bool,
    is_read_only: bool,
    server_limit: i32,
    /// `None` without a limit, or if the role is not subject to it.
    database_limit: Option<i32>,
    role_limit: Option<i32>,
}

/// Rejects a server, database or role with settings that would cause failures later.
pub async fn check_server(url: &Secret, connections: u32) -> Result<(), Error> {
    timeout(CHECK_TIMEOUT, check(url, connections))
        .await
        .unwrap_or_else(|_| {
            let seconds = CHECK_TIMEOUT.as_secs();
            Err(Error::Unusable(format!(
                "database_url: the server accepts connections but does not answer within {seconds} s"
            )))
        })
}

async fn check(url: &Secret, connections: u32) -> Result<(), Error> {
    let options = parse_options(url)?;
    let mut first = connect(url, &options).await?;
    let row = query(STATE_QUERY).fetch_one(&mut first).await?;
    if let Some(obstacle) = ServerState::read(&row)?.obstacle(connections) {
        return Err(Error::Unusable(obstacle));
    }
    // A pooler in transaction mode gives both the same connection. An old pooler fails instead,
    // because both connections number their prepared statements from one.
    let mut second = connect(url, &options).await?;
    let pid = "SELECT pg_backend_pid()";
    let first_pid: i32 = query_scalar(pid).fetch_one(&mut first).await?;
    let second_pid: i32 = query_scalar(pid).fetch_one(&mut second).await?;
    if first_pid == second_pid {
        return Err(Error::Unusable(POOLER_HINT.to_owned()));
    }
    second.close().await?;
    first.close().await?;
    Ok(())
}

impl ServerState {
    fn read(row: &PgRow) -> Result<Self, SqlxError> {
        Ok(Self {
            role: row.try_get("role")?,
            database: row.try_get("database")?,
            encoding: row.try_get("encoding")?,
            search_path: row.try_get("search_path")?,
            schema: row.try_get("schema")?,
            may_create: row.try_get("may_create")?,
            is_standby: row.try_get("is_standby")?,
            is_read_only: row.try_get("is_read_only")?,
            server_limit: row.try_get("server_limit")?,
            database_limit: row.try_get("database_limit")?,
            role_limit: row.try_get("role_limit")?,
        })
    }

    /// The first unsuitable setting, and how to change it.
    fn obstacle(&self, connections: u32) -> Option<String> {
        self.wrong_database()
            .or_else(|| self.no_schema())
            .or_else(|| self.too_few_connections(connections))
    }

    fn wrong_database(&self) -> Option<String> {
        let (role, database) = (&self.role, &self.database);
        if self.encoding != "UTF8" {
            return Some(format!(
                "encoding is {}, must be UTF8: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, \
                 and name the new database in database_url",
                self.encoding
            ));
        }
        if self.is_standby {
            return Some(
                "the server is a read-only standby; name the primary in database_url".to_owned(),
            );
        }
        self.is_read_only.then(|| {
            format!(
                "default_transaction_read_only is on: ALTER ROLE {role} IN DATABASE {database} \
                 SET default_transaction_read_only = off"
            )
        })
    }

    fn no_schema(&self) -> Option<String> {
        let role = &self.role;
        let Some(schema) = &self.schema else {
            return Some(format!(
                "no schema of search_path ({}) exists and may be used by role {role}: \
                 CREATE SCHEMA bluetick AUTHORIZATION {role}; \
                 ALTER ROLE {role} SET search_path = bluetick",
                self.search_path
            ));
        };
        (!self.may_create).then(|| {
            format!(
                "role {role} may not create tables in schema {schema}: \
                 GRANT CREATE ON SCHEMA {schema} TO {role}, or give it a schema of its own: \
                 CREATE SCHEMA bluetick AUTHORIZATION {role}; \
                 ALTER ROLE {role} SET search_path = bluetick"
            )
        })
    }

    fn too_few_connections(&self, connections: u32) -> Option<String> {
        let (role, database) = (&self.role, &self.database);
        let limits = [
            (
                self.role_limit,
                format!("role {role} (CONNECTION LIMIT)"),
                format!("ALTER ROLE {role} CONNECTION LIMIT {connections}"),
            ),
            (
                self.database_limit,
                format!("database {database} (CONNECTION LIMIT)"),
                format!("ALTER DATABASE {database} CONNECTION LIMIT {connections}"),
            ),
            (
                Some(self.server_limit),
                "the server (max_connections without reserved ones)".to_owned(),
                "raise max_connections".to_owned(),
            ),
        ];
        let (limit, subject, remedy) =
            limits.into_iter().find_map(|(limit, subject, remedy)| {
                let limit = limit?;
                (i64::from(limit) < i64::from(connections)).then_some((limit, subject, remedy))
            })?;
        Some(format!(
            "{subject} allows {limit} connections, database_connections is {connections}: {remedy}, \
             or lower database_connections (at least 4)"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usable() -> ServerState {
        ServerState {
            role: "app".to_owned(),
            database: "whatsapp".to_owned(),
            encoding: "UTF8".to_owned(),
            search_path: "\"$user\", public".to_owned(),
            schema: Some("public".to_owned()),
            may_create: true,
            is_standby: false,
            is_read_only: false,
            server_limit: 97,
            database_limit: None,
            role_limit: Some(12),
        }
    }

    #[test]
    fn a_suitable_server_is_accepted() {
        assert_eq!(usable().obstacle(12), None);
    }

    #[test]
    fn the_smallest_limit_is_named_with_its_statement() {
        let limited = [
            (
                ServerState {
                    role_limit: Some(4),
                    ..usable()
                },
                "role app (CONNECTION LIMIT) allows 4 connections, database_connections is 12: \
                 ALTER ROLE app CONNECTION LIMIT 12, or lower database_connections (at least 4)",
            ),
            (
                ServerState {
                    database_limit: Some(0),
                    ..usable()
                },
                "database whatsapp (CONNECTION LIMIT) allows 0 connections, database_connections is 12: \
                 ALTER DATABASE whatsapp CONNECTION LIMIT 12, or lower database_connections (at least 4)",
            ),
            (
                ServerState {
                    server_limit: 7,
                    ..usable()
                },
                "the server (max_connections without reserved ones) allows 7 connections, \
                 database_connections is 12: raise max_connections, or lower database_connections (at least 4)",
            ),
        ];
        for (state, expected) in limited {
            assert_eq!(state.obstacle(12).as_deref(), Some(expected));
        }
        let limited = ServerState {
            role_limit: Some(4),
            ..usable()
        };
        assert_eq!(limited.obstacle(4), None);
    }

    #[test]
    fn a_standby_is_rejected() {
        let standby = ServerState {
            is_standby: true,
            is_read_only: true,
            ..usable()
        };
        let reason = standby.obstacle(12).unwrap();
        assert!(reason.contains("standby"), "{reason}");
    }
}
