//! What can go wrong with a database, without the driver's types.

use sea_orm::{DbErr, RuntimeErr, SqlErr};
use thiserror::Error;

/// A database operation that did not happen.
#[derive(Debug, Error)]
pub enum Error {
    /// The driver or the database refused.
    #[error("the database refused: {source}")]
    Driver {
        /// Its own words; logged, never shown to callers.
        #[source]
        source: DbErr,
    },
    /// A stored value that the program cannot have written.
    #[error("row {key} of {table} holds an impossible {column}")]
    InconsistentRow {
        /// Table.
        table: &'static str,
        /// Column.
        column: &'static str,
        /// Primary key, where it may be shown.
        key: String,
    },
    /// A statement that should touch one row touched another number.
    #[error("{table}: expected {expected} rows, touched {touched}")]
    UnexpectedRowCount {
        /// Table.
        table: &'static str,
        /// Rows expected.
        expected: u64,
        /// Rows touched.
        touched: u64,
    },
    /// The database belongs to another key, another journal, or another time.
    #[error("{0}")]
    Foreign(String),
    /// A file beside the database cannot be made or read.
    #[error("{path}: {source}")]
    File {
        /// Its path.
        path: String,
        /// The operating system's words.
        #[source]
        source: std::io::Error,
    },
    /// The task that owns the database has ended.
    #[error("the {0} has stopped")]
    Stopped(&'static str),
}

impl From<DbErr> for Error {
    fn from(source: DbErr) -> Self {
        Self::Driver { source }
    }
}

impl Error {
    /// A stored value that cannot be.
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

    /// Whether a unique or primary key already held the row.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Driver { source } if matches!(source.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))))
    }

    /// Whether the same statement may succeed later: a lock, a lost connection, an I/O error.
    pub fn is_transient(&self) -> bool {
        let Self::Driver { source } = self else {
            return false;
        };
        match source {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
            DbErr::Exec(RuntimeErr::SqlxError(error))
            | DbErr::Query(RuntimeErr::SqlxError(error)) => {
                match error.as_database_error() {
                    Some(refusal) => {
                        is_transient_code(refusal.code().as_deref().unwrap_or_default())
                    }
                    // Anything that is not the database's own answer is the way to it: I/O, TLS, a closed pool.
                    None => true,
                }
            }
            _ => false,
        }
    }
}

/// SQLite's primary codes BUSY, LOCKED, IOERR, FULL (extended ones carry them in the low byte); PostgreSQL's classes for connection, resources, intervention and rollback.
fn is_transient_code(code: &str) -> bool {
    if code.len() == 5 {
        return ["08", "53", "57", "58", "40"]
            .iter()
            .any(|class| code.starts_with(class));
    }
    code.parse::<u32>()
        .is_ok_and(|number| matches!(number & 0xff, 5 | 6 | 10 | 13 | 14))
}
