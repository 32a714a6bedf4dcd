//! Determines how far a database is migrated, and rejects one that a newer program has migrated.

use sea_orm_migration::{MigratorTrait, SchemaManager};

use crate::db::error::Error;
use crate::db::pools::Pools;

/// How far a database is migrated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SchemaState {
    /// No migration was applied yet.
    New,
    /// This many migrations are missing.
    Behind(usize),
    Current,
}

/// `written_by` is the version of the program that wrote the database last, if known.
pub(crate) async fn check_schema<M: MigratorTrait>(
    pools: &Pools,
    written_by: Option<String>,
) -> Result<SchemaState, Error> {
    let table = M::migration_table_name().to_string();
    if !SchemaManager::new(pools.reader()).has_table(&table).await? {
        return Ok(SchemaState::New);
    }
    let known: Vec<String> = M::migrations()
        .iter()
        .map(|migration| migration.name().to_owned())
        .collect();
    let sql = format!("SELECT version FROM {table}");
    let rows = pools.query(&sql, Vec::new()).await?;
    let applied: Vec<String> = rows
        .iter()
        .map(|row| row.try_get("", "version"))
        .collect::<Result<_, _>>()?;
    if let Some(newer) = applied.iter().find(|version| !known.contains(version)) {
        let this = env!("CARGO_PKG_VERSION");
        let writer = match written_by {
            Some(version) if version != this => format!("bluetick {version}"),
            _ => format!("a later build of bluetick ({newer})"),
        };
        return Err(Error::Unusable(format!(
            "this database was written by {writer}; this is {this}. Install the newer program again, or restore the backup that it made before its migrations (`backups` in data_dir)"
        )));
    }
    Ok(match (applied.len(), known.len() - applied.len()) {
        (0, _) => SchemaState::New,
        (_, 0) => SchemaState::Current,
        (_, missing) => SchemaState::Behind(missing),
    })
}
