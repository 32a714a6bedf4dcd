//! Where a database is: a SQLite file, or a schema of a PostgreSQL server.

use std::path::PathBuf;

use crate::domain::secret::Secret;

#[derive(Clone, Debug)]
pub enum DatabaseLocation {
    File(PathBuf),
    /// The URL, which may contain a password.
    Server(Secret),
}

impl DatabaseLocation {
    /// The location that a `sqlite:` or `postgres:` URL names.
    pub fn parse(url: &Secret) -> Self {
        let Some(rest) = url.expose().strip_prefix("sqlite:") else {
            return Self::Server(url.clone());
        };
        let path = rest.trim_start_matches("//");
        Self::File(PathBuf::from(path.split('?').next().unwrap_or_default()))
    }

    /// Another file in the same folder, or the same server.
    #[must_use]
    pub fn beside(self, file_name: &str) -> Self {
        match self {
            Self::File(path) => Self::File(path.with_file_name(file_name)),
            Self::Server(url) => Self::Server(url),
        }
    }
}
