//! Inserts and updates many rows per statement.

use futures_util::join;
use sea_orm::sea_query::ColumnType;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, IdenStatic, Iterable, ModelTrait,
    Statement, Value,
};

use crate::db::error::Error;
use crate::db::statements::read_rows::ROWS_PER_STATEMENT;

/// Maximum number of bound values, below SQLite's 32,766.
const MAX_VALUES: usize = 32_000;

/// Inserts rows and returns how many did not exist. `conflict` is the `ON CONFLICT` clause.
///
/// The entity's first column must not be nullable.
pub(crate) async fn insert<E: EntityTrait>(
    connection: &impl ConnectionTrait,
    rows: &[&E::Model],
    conflict: &str,
) -> Result<u64, Error> {
    let columns: Vec<E::Column> = E::Column::iter().collect();
    insert_columns::<E>(connection, &columns, rows, conflict).await
}

/// Like [`insert`], for rows whose other columns are null.
pub(crate) async fn insert_columns<E: EntityTrait>(
    connection: &impl ConnectionTrait,
    columns: &[E::Column],
    rows: &[&E::Model],
    conflict: &str,
) -> Result<u64, Error> {
    let names = names(columns).join(", ");
    let (table, or_fail) = (E::default().as_str(), or_fail(connection));
    // `WHERE` also prevents SQLite from parsing `ON` as part of a join.
    execute::<E>(connection, columns, rows, |values| {
        format!(
            "INSERT {or_fail}INTO {table} ({names}) SELECT * FROM ({values}) AS given \
             WHERE column1 IS NOT NULL {conflict}"
        )
    })
    .await
}

/// Updates these columns of existing rows, found by `key`.
pub(crate) async fn update<E: EntityTrait>(
    connection: &impl ConnectionTrait,
    key: E::Column,
    columns: &[E::Column],
    rows: &[&E::Model],
) -> Result<u64, Error> {
    let set: Vec<String> = (2..)
        .zip(names(columns))
        .map(|(number, name)| format!("{name} = given.column{number}"))
        .collect();
    let (set, table, key_name) = (set.join(", "), E::default().as_str(), key.as_str());
    let or_fail = or_fail(connection);
    let bound: Vec<E::Column> = [key].into_iter().chain(columns.iter().copied()).collect();
    execute::<E>(connection, &bound, rows, |values| {
        format!("UPDATE {or_fail}{table} SET {set} FROM ({values}) AS given WHERE {table}.{key_name} = given.column1")
    })
    .await
}

/// Without `OR FAIL` SQLite keeps a copy of every changed page to undo the statement alone; the
/// caller rolls everything back on error anyway.
fn or_fail(connection: &impl ConnectionTrait) -> &'static str {
    match connection.get_database_backend() {
        DbBackend::Sqlite => "OR FAIL ",
        _ => "",
    }
}

async fn execute<E: EntityTrait>(
    connection: &impl ConnectionTrait,
    columns: &[E::Column],
    rows: &[&E::Model],
    sql: impl Fn(&str) -> String,
) -> Result<u64, Error> {
    let backend = connection.get_database_backend();
    let types: Vec<&str> = columns
        .iter()
        .map(|column| postgres_type(column.def().get_column_type()))
        .collect();
    let max_rows = (1 << (MAX_VALUES / columns.len()).ilog2()).min(ROWS_PER_STATEMENT);
    let prepare = |chunk: &[&E::Model]| {
        let size = chunk.len().next_power_of_two();
        let mut values: Vec<Value> = Vec::with_capacity(size * columns.len());
        for row in chunk {
            values.extend(columns.iter().map(|column| row.get(*column)));
        }
        pad(&mut values, columns.len(), size);
        let sql = sql(&placeholders(backend, &types, size));
        Statement::from_sql_and_values(backend, sql, values)
    };
    let mut changed = 0;
    let mut chunks = rows.chunks(max_rows);
    let mut next = chunks.next().map(prepare);
    while let Some(statement) = next {
        let preparing = async { chunks.next().map(prepare) };
        let (executed, prepared) = join!(connection.execute_raw(statement), preparing);
        changed += executed?.rows_affected();
        next = prepared;
    }
    Ok(changed)
}

fn names<C: ColumnTrait>(columns: &[C]) -> Vec<&'static str> {
    columns.iter().map(IdenStatic::as_str).collect()
}

/// `VALUES` with placeholders for rows of these types, named as in PostgreSQL.
pub(crate) fn placeholders(backend: DbBackend, types: &[&str], rows: usize) -> String {
    let mut text = String::with_capacity(rows * types.len() * 8);
    for row in 0..rows {
        text.push_str(if row == 0 { "VALUES (" } else { "),(" });
        for (column, kind) in (1..).zip(types) {
            if column > 1 {
                text.push(',');
            }
            match backend {
                DbBackend::Postgres => {
                    text.push('$');
                    text.push_str(&(row * types.len() + column).to_string());
                    // PostgreSQL takes the types of all rows from the first.
                    if row == 0 {
                        text.push_str("::");
                        text.push_str(kind);
                    }
                }
                _ => text.push('?'),
            }
        }
    }
    text.push(')');
    text
}

/// Pads with rows of nulls.
pub(crate) fn pad(values: &mut Vec<Value>, columns: usize, rows: usize) {
    let nulls: Vec<Value> = values.iter().take(columns).map(Value::as_null).collect();
    while values.len() < rows * columns {
        values.extend_from_slice(&nulls);
    }
}

fn postgres_type(column: &ColumnType) -> &'static str {
    match column {
        ColumnType::Uuid => "uuid",
        ColumnType::Integer => "integer",
        ColumnType::BigInteger => "bigint",
        ColumnType::Boolean => "boolean",
        ColumnType::Binary(_) | ColumnType::VarBinary(_) | ColumnType::Blob => "bytea",
        _ => "text",
    }
}
