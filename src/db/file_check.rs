//! The check of a SQLite file that may be too damaged to be opened as a database.

use std::path::Path;

use sea_orm::{ConnectionTrait, Database, DbBackend, DbErr, Statement};

use crate::db::connect_options::{ConnectionUse, MAIN_WRITER, sqlite_options};
use crate::db::copy::MAX_FAULTS;
use crate::db::error::Error;

/// Reads the whole SQLite file, even while others write to it, and returns the faults in its
/// structure. A file that is not a database has one fault.
pub(crate) async fn find_file_faults(path: &Path) -> Result<Vec<String>, Error> {
    match check(path).await.map_err(Error::from) {
        Err(error) if error.is_damage() => Ok(vec![error.to_string()]),
        checked => checked,
    }
}

async fn check(path: &Path) -> Result<Vec<String>, DbErr> {
    let url = format!("sqlite://{}?mode=rw", path.display());
    let options = sqlite_options(&url, ConnectionUse::Reading, MAIN_WRITER);
    let connection = Database::connect(options).await?;
    let sql = format!("PRAGMA integrity_check({MAX_FAULTS})");
    let statement = Statement::from_string(DbBackend::Sqlite, sql);
    let checked = connection.query_all_raw(statement).await;
    connection.close().await?;
    let lines = checked?.into_iter().map(|row| row.try_get_by_index(0));
    let lines = lines.collect::<Result<Vec<String>, _>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}
