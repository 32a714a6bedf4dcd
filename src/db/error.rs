//! Database errors without the driver's types.

use sea_orm::{DbErr, RuntimeErr, SqlxError};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum Error {
    #[error("database error: {}", describe(source))]
    Driver {
        /// Logged, never shown to callers.
        #[source]
        source: DbErr,
    },
    /// A stored value that this program cannot have written.
    #[error("row {key} of {table} has an invalid {column}")]
    InconsistentRow {
        table: &'static str,
        column: &'static str,
        /// Primary key, if it may be shown.
        key: String,
    },
    /// A stored value that its column's type does not accept.
    #[error("a row has an invalid value: {source}")]
    InvalidValue {
        #[source]
        source: DbErr,
    },
    #[error("{table}: expected to change {expected} rows, changed {touched}")]
    UnexpectedRowCount {
        table: &'static str,
        expected: u64,
        touched: u64,
    },
    /// Another process processed the same callbacks concurrently.
    #[error("another process moved the reconcile position")]
    Overtaken,
    /// The database belongs to another key, journal or point in time, or its schema is not current.
    #[error("{0}")]
    Foreign(String),
    /// The database cannot be used for this, often because of a setting of the server, the database,
    /// the role or a pooler. The text names the cause and says what to do.
    #[error("{0}")]
    Unusable(String),
    /// The operation would need too much memory, or hold the write lock for too long.
    #[error("{0}")]
    TooMuch(&'static str),
    #[error("{path}: {source}")]
    File {
        path: String,
        #[source]
        source: std::io::Error,
    },
    /// SQLite's file cannot be opened as a database.
    #[error(
        "{path}: {reason}; if it is another file, correct data_dir or database_url; if it is damaged, `bluetick doctor` says what to do"
    )]
    NotADatabase { path: String, reason: String },
    /// No reply within the time that a caller waits. The statement may still take effect.
    #[error("the database did not answer in time")]
    TooSlow,
    /// Neither the journal nor the spool accepted a callback.
    #[error("journal ({journal}) and spool ({spool}) both failed")]
    NotDurable { journal: String, spool: String },
    #[error("cannot start a thread: {0}")]
    NoThread(#[source] std::io::Error),
    /// The task that owns the database has ended.
    #[error("the {0} has stopped")]
    Stopped(&'static str),
}

impl From<DbErr> for Error {
    fn from(source: DbErr) -> Self {
        match source {
            DbErr::TryIntoErr { .. } | DbErr::Json(_) => Self::InvalidValue { source },
            source => Self::Driver { source },
        }
    }
}

impl From<SqlxError> for Error {
    fn from(source: SqlxError) -> Self {
        DbErr::Query(RuntimeErr::SqlxError(source.into())).into()
    }
}

impl Error {
    pub(crate) fn inconsistent(
        table: &'static str,
        column: &'static str,
        key: impl std::fmt::Display,
    ) -> Self {
        Self::InconsistentRow {
            table,
            column,
            key: key.to_string(),
        }
    }

    /// A copy for each caller whose work shared a failed commit of `owner`.
    pub(crate) fn shared(&self, owner: &'static str) -> Self {
        match self {
            Self::Driver { source } => Self::Driver {
                source: source.clone(),
            },
            Self::InvalidValue { source } => Self::InvalidValue {
                source: source.clone(),
            },
            Self::InconsistentRow { table, column, key } => Self::inconsistent(table, column, key),
            Self::UnexpectedRowCount {
                table,
                expected,
                touched,
            } => Self::UnexpectedRowCount {
                table,
                expected: *expected,
                touched: *touched,
            },
            Self::TooSlow => Self::TooSlow,
            Self::TooMuch(reason) => Self::TooMuch(reason),
            _ => Self::Stopped(owner),
        }
    }

    /// Whether the same statement may succeed later: a lock, a lost connection, an I/O error, a
    /// full disk or pool.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::TooSlow
            | Self::Overtaken
            | Self::NotDurable { .. }
            | Self::Driver {
                source: DbErr::ConnectionAcquire(_) | DbErr::Conn(_),
            } => true,
            Self::Driver { source } => sqlx_error(source).is_some_and(is_transient),
            _ => false,
        }
    }

    /// Whether another connection holds a lock.
    pub fn is_busy(&self) -> bool {
        let Self::Driver { source } = self else {
            return matches!(self, Self::TooSlow);
        };
        let Some(SqlxError::Database(rejection)) = sqlx_error(source) else {
            return false;
        };
        is_busy_code(rejection.code().as_deref().unwrap_or_default())
    }

    /// Whether the disk is full, or only the reserve is left.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::File { source, .. } => source.kind() == std::io::ErrorKind::StorageFull,
            Self::Driver { source } => match sqlx_error(source) {
                Some(SqlxError::Database(rejection)) => {
                    let code = rejection.code();
                    let code = code.as_deref().unwrap_or_default();
                    code == "53100" || (code.len() < 5 && sqlite_code(code) == Some(13))
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether SQLite's file is damaged, or not a database.
    pub fn is_damage(&self) -> bool {
        if matches!(self, Self::NotADatabase { .. }) {
            return true;
        }
        let Self::Driver { source } = self else {
            return false;
        };
        let Some(SqlxError::Database(rejection)) = sqlx_error(source) else {
            return false;
        };
        is_damage_code(rejection.code().as_deref().unwrap_or_default())
    }

    /// Whether the database rejected the data of a row, so that a retry would fail as well.
    pub fn is_data_error(&self) -> bool {
        let Self::Driver { source } = self else {
            return false;
        };
        match sqlx_error(source) {
            Some(SqlxError::Encode(_)) => true,
            Some(SqlxError::Database(rejection)) => {
                is_data_code(rejection.code().as_deref().unwrap_or_default())
            }
            _ => false,
        }
    }
}

fn sqlx_error(source: &DbErr) -> Option<&SqlxError> {
    match source {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

fn is_busy_code(code: &str) -> bool {
    code == "55P03" || (code.len() < 5 && sqlite_code(code).is_some_and(|n| n == 5 || n == 6))
}

pub(super) const POOLER_HINT: &str = "a pooler (PgBouncer in transaction mode) shares connections between \
     transactions; set pool_mode = session, or name the server itself in database_url";

/// The message without the line in PostgreSQL's source code, which the driver adds.
fn describe(source: &DbErr) -> String {
    let Some(SqlxError::Database(rejection)) = sqlx_error(source) else {
        return source.to_string();
    };
    let code = rejection.code();
    let message = rejection.message();
    match code.as_deref().unwrap_or_default() {
        code if is_busy_code(code) => format!("{message}: another connection holds the lock"),
        // Duplicate prepared statement; no such prepared statement.
        "42P05" | "26000" => format!("{message}: {POOLER_HINT}"),
        // A startup parameter that a pooler does not accept.
        "08P01" if message.contains("startup parameter") => {
            format!("{message}: with PgBouncer add the parameter to ignore_startup_parameters")
        }
        "53300" => format!(
            "{message}: raise CONNECTION LIMIT of the role or the database, or max_connections of \
             the server, or lower database_connections"
        ),
        _ => message.to_owned(),
    }
}

/// Errors of the connection are transient; a value that cannot be decoded is not.
fn is_transient(error: &SqlxError) -> bool {
    match error {
        SqlxError::Database(rejection) => {
            is_transient_code(rejection.code().as_deref().unwrap_or_default())
        }
        SqlxError::Io(_)
        | SqlxError::Tls(_)
        | SqlxError::Protocol(_)
        | SqlxError::PoolTimedOut
        | SqlxError::PoolClosed
        | SqlxError::WorkerCrashed
        | SqlxError::BeginFailed => true,
        _ => false,
    }
}

/// SQLite's primary codes BUSY, LOCKED, NOMEM, IOERR, FULL, CANTOPEN, PROTOCOL (the low byte of
/// extended codes); PostgreSQL's classes for connection, resources, intervention, system and
/// rollback, and lock not available.
fn is_transient_code(code: &str) -> bool {
    if code.len() == 5 {
        return code == "55P03"
            || ["08", "53", "57", "58", "40"]
                .iter()
                .any(|class| code.starts_with(class));
    }
    sqlite_code(code).is_some_and(|number| matches!(number, 5 | 6 | 7 | 10 | 13 | 14 | 15))
}

/// SQLite's primary codes TOOBIG, CONSTRAINT, MISMATCH; PostgreSQL's classes for data, integrity
/// and program limits.
fn is_data_code(code: &str) -> bool {
    if code.len() == 5 {
        return ["22", "23", "54"]
            .iter()
            .any(|class| code.starts_with(class));
    }
    sqlite_code(code).is_some_and(|number| matches!(number, 18..=20))
}

/// SQLite's primary codes CORRUPT and NOTADB.
fn is_damage_code(code: &str) -> bool {
    code.len() < 5 && sqlite_code(code).is_some_and(|number| matches!(number, 11 | 26))
}

fn sqlite_code(code: &str) -> Option<u32> {
    Some(code.parse::<u32>().ok()? & 0xff)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sea_orm::ConnAcquireErr;

    use super::*;

    fn query(error: SqlxError) -> Error {
        DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))).into()
    }

    #[test]
    fn a_pool_without_a_free_connection_is_transient() {
        assert!(Error::from(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)).is_transient());
        assert!(query(SqlxError::PoolTimedOut).is_transient());
        assert!(query(SqlxError::Io(std::io::ErrorKind::ConnectionReset.into())).is_transient());
    }

    #[test]
    fn a_value_that_cannot_be_decoded_is_not_transient() {
        assert!(!query(SqlxError::Decode("not a UUID".into())).is_transient());
        assert!(!query(SqlxError::ColumnNotFound("seq".to_owned())).is_transient());
        assert!(!Error::inconsistent("journal", "route", 1).is_transient());
    }

    #[test]
    fn codes_of_both_engines_are_classified() {
        // BUSY, BUSY_SNAPSHOT, IOERR_FSYNC, FULL; shutting down, too many connections, deadlock.
        for code in ["5", "517", "1034", "13", "57P01", "53300", "40P01", "55P03"] {
            assert!(is_transient_code(code) && !is_data_code(code), "{code}");
        }
        // CONSTRAINT_TRIGGER, TOOBIG; not null, a NUL in a text.
        for code in ["1811", "18", "23502", "22021"] {
            assert!(is_data_code(code) && !is_transient_code(code), "{code}");
        }
        // CORRUPT; no such table.
        for code in ["11", "42P01", ""] {
            assert!(!is_data_code(code) && !is_transient_code(code), "{code}");
        }
        // CORRUPT, CORRUPT_INDEX, NOTADB.
        for (code, is_damage) in [
            ("11", true),
            ("779", true),
            ("26", true),
            ("5", false),
            ("26000", false),
        ] {
            assert_eq!(is_damage_code(code), is_damage, "{code}");
        }
    }
}
