//! Where a database is: a SQLite file, or a schema of a PostgreSQL server.

use std::path::PathBuf;

use crate::domain::secret::Secret;

/// One for writing and one for reading, in each of two databases.
const MIN_CONNECTIONS: u32 = 4;

#[derive(Clone, Debug)]
pub enum DatabaseLocation {
    File(PathBuf),
    Server {
        /// May contain a password.
        url: Secret,
        /// Limit of all connections of this process, of which each database has half.
        connections: u32,
    },
}

impl DatabaseLocation {
    /// With the fewest connections. The location that a `sqlite:` or `postgres:` URL names.
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
