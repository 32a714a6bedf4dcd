//! Column types that both engines index well: ids in 16 bytes, instants as milliseconds since the epoch.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// A UUID: 16 bytes on SQLite (sea-query's default there would be text), `uuid` on PostgreSQL.
pub(crate) fn id(manager: &SchemaManager<'_>, name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(Alias::new(name));
    match manager.get_database_backend() {
        DbBackend::Sqlite => column.custom(Alias::new("blob")),
        _ => column.uuid(),
    };
    column
}

/// An instant: milliseconds since the epoch, UTC.
pub(crate) fn instant(name: &'static str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).big_integer().take()
}

/// Text without a length; compared byte by byte (`COLLATE "C"`) on PostgreSQL as SQLite does, so that prefix ranges and order agree.
pub(crate) fn text(manager: &SchemaManager<'_>, name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(Alias::new(name));
    match manager.get_database_backend() {
        DbBackend::Postgres => column.custom(Alias::new("text COLLATE \"C\"")),
        _ => column.text(),
    };
    column
}

/// Raw bytes.
pub(crate) fn bytes(name: &'static str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).blob().take()
}
