//! One DDL text for both engines: placeholders in braces become the types of the engine.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// Runs `statements`, separated by `;`, with these placeholders replaced:
///
/// * `{id}`: a UUID in 16 bytes
/// * `{instant}`: milliseconds since the epoch, UTC
/// * `{text}`: text compared byte by byte, so that order and prefix ranges agree on both engines
/// * `{flag}`: a boolean
/// * `{bytes}`: raw bytes
pub(crate) async fn run(manager: &SchemaManager<'_>, statements: &str) -> Result<(), DbErr> {
    let types: [(&str, &str); 5] = match manager.get_database_backend() {
        DbBackend::Postgres => [
            ("{id}", "uuid"),
            ("{instant}", "bigint"),
            ("{text}", "text COLLATE \"C\""),
            ("{flag}", "boolean"),
            ("{bytes}", "bytea"),
        ],
        _ => [
            ("{id}", "blob"),
            ("{instant}", "integer"),
            ("{text}", "text"),
            ("{flag}", "boolean"),
            ("{bytes}", "blob"),
        ],
    };
    let statements = types
        .iter()
        .fold(statements.to_owned(), |text, (placeholder, kind)| {
            text.replace(placeholder, kind)
        });
    for statement in statements
        .split(';')
        .map(str::trim)
        .filter(|statement| !statement.is_empty())
    {
        manager
            .get_connection()
            .execute_unprepared(statement)
            .await?;
    }
    Ok(())
}
