//! One DDL text for both engines: the words in braces become each engine's type.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// Runs `statements`, separated by `;`, with these words replaced:
///
/// * `{id}`: a UUID in 16 bytes
/// * `{instant}`: milliseconds since the epoch, UTC
/// * `{text}`: text compared byte by byte, so that order and prefix ranges agree on both engines
/// * `{flag}`: a boolean
/// * `{bytes}`: raw bytes
pub(crate) async fn run(manager: &SchemaManager<'_>, statements: &str) -> Result<(), DbErr> {
    let words: [(&str, &str); 5] = match manager.get_database_backend() {
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
    let statements = words
        .iter()
        .fold(statements.to_owned(), |text, (word, kind)| {
            text.replace(word, kind)
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
