//! Statements over many rows: constant texts for 1, 2, 4 … rows, so that statement caches hit, and padding that changes nothing.
//!
//! Building a text for every batch, and preparing it, cost more than the rows it wrote. And a value that is fetched costs four times
//! what it costs inside a JSON text, since the driver copies each on one thread and hands it to another: rows are read as one such text.

use futures_util::join;
use sea_orm::sea_query::ColumnType;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, IdenStatic, Iterable, ModelTrait,
    Statement, Value,
};
use serde::de::DeserializeOwned;

use crate::store::Error;

/// The most values of one statement, below SQLite's 32,766.
const MOST_VALUES: usize = 32_000;

/// Ids in one `IN` list, where one is built by hand; few enough for either engine's limits.
pub(crate) const IDS_PER_QUERY: usize = 512;
/// The most rows of one statement here, and ids of one `IN` list: few enough that the database works on some while we prepare or decode others.
const AT_A_TIME: usize = 256;

/// The rows whose `column` is one of these, in no order; their columns have no bytes but UUIDs.
pub(crate) async fn find_by<E>(
    connection: &impl ConnectionTrait,
    column: E::Column,
    ids: &[impl Into<Value> + Copy],
) -> Result<Vec<E::Model>, Error>
where
    E: EntityTrait<Model: DeserializeOwned>,
{
    let backend = connection.get_database_backend();
    let columns: Vec<String> = E::Column::iter().map(|it| in_json(backend, it)).collect();
    let (columns, table, key) = (columns.join(", "), E::default().as_str(), column.as_str());
    let ask = |chunk| {
        let chunk: Vec<_> = padded(chunk);
        let places = id_places(backend, chunk.len());
        let text = match backend {
            DbBackend::Postgres => format!(
                "SELECT CAST(json_agg(json_build_array({columns})) AS text) FROM {table} WHERE {key} IN ({places})"
            ),
            _ => format!(
                "SELECT json_group_array(json_array({columns})) FROM {table} WHERE {key} IN ({places})"
            ),
        };
        let values = chunk.into_iter().map(Into::into);
        connection.query_one_raw(Statement::from_sql_and_values(backend, text, values))
    };
    let mut found = Vec::new();
    let mut fetched = None;
    for chunk in ids.chunks(AT_A_TIME) {
        let decoding = async { decode::<E>(fetched.take()) };
        // The database's thread looks for these while ours decodes those before them.
        let (row, rows) = join!(ask(chunk), decoding);
        found.extend(rows?);
        fetched = match row? {
            Some(row) => row.try_get_by_index(0)?,
            None => None,
        };
    }
    found.extend(decode::<E>(fetched)?);
    Ok(found)
}

fn decode<E>(rows: Option<String>) -> Result<Vec<E::Model>, DbErr>
where
    E: EntityTrait<Model: DeserializeOwned>,
{
    let Some(rows) = rows else {
        return Ok(Vec::new());
    };
    // The reader's own words quote what it read, which may be a phone number.
    serde_json::from_str(&rows).map_err(|error| {
        let (table, kind, place) = (E::default(), error.classify(), error.column());
        DbErr::Json(format!(
            "a row of {} is not what its columns hold: {kind:?} at {place}",
            table.as_str()
        ))
    })
}

/// A column as a value of a JSON array.
fn in_json<C: ColumnTrait>(backend: DbBackend, column: C) -> String {
    let name = column.as_str();
    match (backend, column.def().get_column_type()) {
        (DbBackend::Postgres, _) => name.to_owned(),
        (_, ColumnType::Uuid) => format!("CASE WHEN {name} IS NOT NULL THEN hex({name}) END"),
        (_, ColumnType::Boolean) => {
            format!("CASE {name} WHEN 0 THEN json('false') WHEN 1 THEN json('true') END")
        }
        _ => name.to_owned(),
    }
}

fn id_places(backend: DbBackend, number: usize) -> String {
    let places: Vec<String> = (1..=number)
        .map(|place| match backend {
            DbBackend::Postgres => format!("${place}"),
            _ => "?".to_owned(),
        })
        .collect();
    places.join(",")
}

/// Inserts rows and tells how many of them were not there. `conflict` is the `ON CONFLICT` clause.
///
/// The entity's first column must be one that is never null.
pub(crate) async fn insert<E: EntityTrait>(
    connection: &impl ConnectionTrait,
    rows: &[&E::Model],
    conflict: &str,
) -> Result<u64, Error> {
    let columns: Vec<E::Column> = E::Column::iter().collect();
    let names = names(&columns).join(", ");
    let (table, or_fail) = (E::default().as_str(), or_fail(connection));
    // `WHERE` also keeps SQLite from reading `ON` as the beginning of a join.
    execute::<E>(connection, &columns, rows, |values| {
        format!(
            "INSERT {or_fail}INTO {table} ({names}) SELECT * FROM ({values}) AS given \
             WHERE column1 IS NOT NULL {conflict}"
        )
    })
    .await
}

/// Sets these columns of rows that are there, found by `key`.
pub(crate) async fn update<E: EntityTrait>(
    connection: &impl ConnectionTrait,
    key: E::Column,
    columns: &[E::Column],
    rows: &[&E::Model],
) -> Result<u64, Error> {
    let set: Vec<String> = (2..)
        .zip(names(columns))
        .map(|(place, name)| format!("{name} = given.column{place}"))
        .collect();
    let (set, table, key_name) = (set.join(", "), E::default().as_str(), key.as_str());
    let or_fail = or_fail(connection);
    let bound: Vec<E::Column> = [key].into_iter().chain(columns.iter().copied()).collect();
    execute::<E>(connection, &bound, rows, |values| {
        format!("UPDATE {or_fail}{table} SET {set} FROM ({values}) AS given WHERE {table}.{key_name} = given.column1")
    })
    .await
}

/// As many ids as the next power of two, the last one repeated: `IN` lists of a few lengths.
fn padded<T: Copy>(ids: &[T]) -> Vec<T> {
    let missing = ids.len().next_power_of_two() - ids.len();
    let padding = ids.last().into_iter().copied().cycle().take(missing);
    ids.iter().copied().chain(padding).collect()
}

/// SQLite keeps no copy of what a statement changes, so as to take it back alone: whoever gets an error rolls everything back.
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
    text: impl Fn(&str) -> String,
) -> Result<u64, Error> {
    let backend = connection.get_database_backend();
    let types: Vec<&str> = columns
        .iter()
        .map(|column| postgres_type(column.def().get_column_type()))
        .collect();
    let most = (1 << (MOST_VALUES / columns.len()).ilog2()).min(AT_A_TIME);
    let prepare = |chunk: &[&E::Model]| {
        let size = chunk.len().next_power_of_two();
        let mut values: Vec<Value> = Vec::with_capacity(size * columns.len());
        for row in chunk {
            values.extend(columns.iter().map(|column| row.get(*column)));
        }
        pad(&mut values, columns.len(), size);
        let text = text(&places(backend, &types, size));
        Statement::from_sql_and_values(backend, text, values)
    };
    let mut touched = 0;
    let mut chunks = rows.chunks(most);
    let mut next = chunks.next().map(prepare);
    while let Some(statement) = next {
        let preparing = async { chunks.next().map(prepare) };
        let (executed, prepared) = join!(connection.execute_raw(statement), preparing);
        touched += executed?.rows_affected();
        next = prepared;
    }
    Ok(touched)
}

fn names<C: ColumnTrait>(columns: &[C]) -> Vec<&'static str> {
    columns.iter().map(IdenStatic::as_str).collect()
}

/// `VALUES` with places for so many rows of columns of these types, as PostgreSQL calls them.
pub(crate) fn places(backend: DbBackend, types: &[&str], rows: usize) -> String {
    let mut text = String::with_capacity(rows * types.len() * 8);
    for row in 0..rows {
        text.push_str(if row == 0 { "VALUES (" } else { "),(" });
        for (place, kind) in (1..).zip(types) {
            if place > 1 {
                text.push(',');
            }
            match backend {
                DbBackend::Postgres => {
                    text.push('$');
                    text.push_str(&(row * types.len() + place).to_string());
                    // The first row tells PostgreSQL the types of all.
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

/// Adds rows of nulls, like those that are there, until there are so many.
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
