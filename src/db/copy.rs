//! Copies a SQLite database while it is in use, and checks the structure of a database.

use std::fs::File;
use std::path::Path;

use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};

use crate::db::connect_options::{ConnectionUse, MAIN_WRITER, sqlite_options};
use crate::db::error::Error;
use crate::db::pools::Pools;
use crate::db::private_file::create_private_file;

/// At most this many faults of a damaged database are listed.
pub(super) const MAX_FAULTS: u32 = 20;

impl Pools {
    /// Writes the database as it is at this moment to a new file (0600), durably. Does not
    /// stop writers.
    pub(crate) async fn copy_into(&self, path: &Path) -> Result<(), Error> {
        // SQLite accepts an empty file, but would create one that others can read.
        create_private_file(path)?;
        let source = self
            .file()
            .ok_or_else(|| Error::Unusable("only SQLite databases can be copied".to_owned()))?;
        let url = format!("sqlite://{}?mode=rw", source.display());
        // A separate connection: on the only writer's, all other writes would wait for the copy.
        let options = sqlite_options(&url, ConnectionUse::Copying, MAIN_WRITER);
        let connection = Database::connect(options).await?;
        let text = path.display().to_string();
        let copy =
            Statement::from_sql_and_values(DbBackend::Sqlite, "VACUUM INTO ?", [text.into()]);
        let copied = connection.execute_raw(copy).await;
        connection.close().await?;
        copied?;
        let synced = File::open(path).and_then(|file| file.sync_all());
        synced.map_err(|source| Error::File {
            path: path.display().to_string(),
            source,
        })
    }

    /// Faults in the structure of a SQLite file.
    pub(crate) async fn find_faults(&self) -> Result<Vec<String>, Error> {
        let check = format!("PRAGMA integrity_check({MAX_FAULTS})");
        let rows = self.query(&check, Vec::new()).await?;
        let lines: Vec<String> = rows
            .iter()
            .map(|row| row.try_get_by_index(0))
            .collect::<Result<_, _>>()?;
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }

    pub(crate) async fn count_rows(&self, table: &str) -> Result<u64, Error> {
        let sql = format!("SELECT count(*) AS number FROM {table}");
        let rows = self.query(&sql, Vec::new()).await?;
        let number: Option<i64> = rows
            .first()
            .map(|row| row.try_get("", "number"))
            .transpose()?;
        Ok(u64::try_from(number.unwrap_or_default()).unwrap_or_default())
    }

    /// The last migration in the table `migration_table`.
    pub(crate) async fn schema_version(&self, migration_table: &str) -> Result<String, Error> {
        let sql = format!("SELECT MAX(version) AS version FROM {migration_table}");
        let rows = self.query(&sql, Vec::new()).await?;
        let version = rows.first().map(|row| row.try_get("", "version"));
        Ok(version.transpose()?.unwrap_or_default())
    }
}
