//! Statements of a purge: count, select and delete by a condition given as SQL text.

use sea_orm::{ConnectionTrait, QueryResult, Statement, Value};

use crate::db::Error;

/// A condition with its bound values.
pub(super) struct SqlCondition {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

pub(super) async fn count(
    connection: &impl ConnectionTrait,
    table: &str,
    condition: SqlCondition,
) -> Result<u64, Error> {
    let sql = format!(
        "SELECT count(*) AS rows FROM {table} WHERE {}",
        condition.sql
    );
    let rows = query(connection, &sql, condition.values).await?;
    let number: i64 = match rows.first() {
        Some(row) => row.try_get("", "rows")?,
        None => 0,
    };
    Ok(u64::try_from(number).unwrap_or_default())
}

pub(super) async fn query(
    connection: &impl ConnectionTrait,
    sql: &str,
    values: Vec<Value>,
) -> Result<Vec<QueryResult>, Error> {
    let backend = connection.get_database_backend();
    let statement = Statement::from_sql_and_values(backend, sql, values);
    Ok(connection.query_all_raw(statement).await?)
}

pub(super) async fn execute(
    connection: &impl ConnectionTrait,
    sql: &str,
    values: Vec<Value>,
) -> Result<u64, Error> {
    let backend = connection.get_database_backend();
    let statement = Statement::from_sql_and_values(backend, sql, values);
    Ok(connection.execute_raw(statement).await?.rows_affected())
}
