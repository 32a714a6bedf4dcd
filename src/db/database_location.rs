//! Where a database is: a SQLite file, or a schema of a PostgreSQL server.

use std::path::PathBuf;

use crate::domain::secret::Secret;

/// One for writing and one for reading, for the main database and for the journal.
const MIN_CONNECTIONS: u32 = 4;

#[derive(Clone, Debug)]
pub enum DatabaseLocation {
    File(PathBuf),
    Server {
        /// May contain a password.
        url: Secret,
        /// Limit for the whole process; the main database and the journal each use half.
        connections: u32,
    },
}

impl DatabaseLocation {
    /// The location that a `sqlite:` or `postgres:` URL names, with the fewest connections; see
    /// [`DatabaseLocation::with_connections`].
    pub fn parse(url: &Secret) -> Self {
        let Some(rest) = url.expose().strip_prefix("sqlite:") else {
            return Self::Server {
                url: url.clone(),
                connections: MIN_CONNECTIONS,
            };
        };
        let path = rest.trim_start_matches("//");
        Self::File(PathBuf::from(path.split('?').next().unwrap_or_default()))
    }

    /// Another file in the same folder, or the same server.
    #[must_use]
    pub fn beside(self, file_name: &str) -> Self {
        match self {
            Self::File(path) => Self::File(path.with_file_name(file_name)),
            server @ Self::Server { .. } => server,
        }
    }

    /// Has no effect on a file.
    #[must_use]
    pub fn with_connections(self, connections: u32) -> Self {
        match self {
            file @ Self::File(_) => file,
            Self::Server { url, .. } => Self::Server { url, connections },
        }
    }
}
