//! Statements over many rows. Constant texts for 1, 2, 4 … rows, so that statement caches hit;
//! missing rows are padding without effect.
//!
//! Building and preparing a text for every batch cost more than writing its rows. Rows are read as
//! one JSON text: the driver copies every value
//! between two threads, which costs four times as much per value.

use std::marker::PhantomData;

use futures_util::join;
use sea_orm::sea_query::{ColumnType, Expr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, IdenStatic, Iterable, ModelTrait,
    QuerySelect, QueryTrait, Select, Statement, Value,
};
use serde::de::DeserializeOwned;

use crate::db::Error;

/// Maximum number of bound values, below SQLite's 32,766.
const MOST_VALUES: usize = 32_000;

/// Ids in one hand-written `IN` list; below the limits of both engines.
pub(crate) const IDS_PER_QUERY: usize = 512;
/// Maximum rows of one statement and ids of one `IN` list; small enough that the database works on
/// one while we prepare or decode another.
const AT_A_TIME: usize = 256;

/// Finds the rows whose `column` is one of the values, in no order. Binary columns must be UUIDs.
pub(crate) async fn find_by<E>(
    connection: &impl ConnectionTrait,
    column: E::Column,
    ids: &[impl Into<Value> + Copy],
) -> Result<Vec<E::Model>, Error>
where
    E: EntityTrait<Model: DeserializeOwned>,
{
    let backend = connection.get_database_backend();
    let (line, table, key) = (line::<E>(backend), E::default().as_str(), column.as_str());
    let ask = |chunk| {
        let chunk: Vec<_> = padded(chunk);
        let places = id_places(backend, chunk.len());
        let text = format!("SELECT {line} AS line FROM {table} WHERE {key} IN ({places})");
        let values = chunk.into_iter().map(Into::into);
        read(
            connection,
            Statement::from_sql_and_values(backend, text, values),
        )
    };
    let mut found = Vec::new();
    let mut fetched = EncodedRows::<E>::default();
    for chunk in ids.chunks(AT_A_TIME) {
        let decoding = async { fetched.decode().collect::<Result<Vec<_>, _>>() };
        // The database thread runs the next query while this thread decodes the previous one.
        let (next, rows) = join!(ask(chunk), decoding);
        found.extend(rows?);
        fetched = next?;
    }
    for row in fetched.decode() {
        found.push(row?);
    }
    Ok(found)
}

/// The result of `query`, in its order, as rows of `E`: an entity of the same table with the wanted
/// columns.
///
/// The JSON text is built in the innermost query, because every value that leaves a query is
/// copied.
pub(crate) async fn list_as<E: EntityTrait>(
    connection: &impl ConnectionTrait,
    query: Select<impl EntityTrait>,
) -> Result<EncodedRows<E>, Error> {
    let backend = connection.get_database_backend();
    let lines = query
        .select_only()
        .expr_as(Expr::cust(line::<E>(backend)), "line");
    read(connection, lines.build(backend)).await
}

/// Rows as JSON text, decoded while the database does something else.
pub(crate) struct EncodedRows<E> {
    /// One JSON array of columns per line.
    lines: String,
    entity: PhantomData<E>,
}

impl<E> Default for EncodedRows<E> {
    fn default() -> Self {
        Self::of(String::new())
    }
}

impl<E> EncodedRows<E> {
    fn of(lines: String) -> Self {
        Self {
            lines,
            entity: PhantomData,
        }
    }
}

impl<E> EncodedRows<E>
where
    E: EntityTrait<Model: DeserializeOwned>,
{
    /// Decodes each row when it is requested.
    pub(crate) fn decode(&self) -> impl Iterator<Item = Result<E::Model, DbErr>> {
        self.decode_from(0)
    }

    /// Like `iter`, from this row on; skipping is cheap.
    pub(crate) fn decode_from(
        &self,
        first: usize,
    ) -> impl Iterator<Item = Result<E::Model, DbErr>> {
        self.lines.lines().skip(first).map(|line| {
            // serde_json's message quotes the value, which may be a phone number.
            serde_json::from_str(line).map_err(|error| {
                let (table, kind, place) = (E::default(), error.classify(), error.column());
                DbErr::Json(format!(
                    "a row of {} does not match its columns: {kind:?} at {place}",
                    table.as_str()
                ))
            })
        })
    }
}

/// The result of a statement that selects one [`line`] per row. Neither database writes a line feed
/// inside JSON.
async fn read<E: EntityTrait>(
    connection: &impl ConnectionTrait,
    mut statement: Statement,
) -> Result<EncodedRows<E>, Error> {
    let joined = match statement.db_backend {
        DbBackend::Postgres => "string_agg(line, chr(10))",
        _ => "group_concat(line, char(10))",
    };
    statement.sql = format!("SELECT {joined} FROM ({}) AS lines", statement.sql);
    let lines: Option<String> = match connection.query_one_raw(statement).await? {
        Some(row) => row.try_get_by_index(0)?,
        None => None,
    };
    Ok(EncodedRows::of(lines.unwrap_or_default()))
}

/// SQL expression: the columns of an entity as a JSON array.
fn line<E: EntityTrait>(backend: DbBackend) -> String {
    let columns: Vec<String> = E::Column::iter().map(|it| in_json(backend, it)).collect();
    let columns = columns.join(", ");
    match backend {
        DbBackend::Postgres => format!("CAST(json_build_array({columns}) AS text)"),
        _ => format!("json_array({columns})"),
    }
}

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

/// Inserts rows and returns how many did not exist. `conflict` is the `ON CONFLICT` clause.
///
/// The entity's first column must not be nullable.
pub(crate) async fn insert<E: EntityTrait>(
    connection: &impl ConnectionTrait,
    rows: &[&E::Model],
    conflict: &str,
) -> Result<u64, Error> {
    let columns: Vec<E::Column> = E::Column::iter().collect();
    let names = names(&columns).join(", ");
    let (table, or_fail) = (E::default().as_str(), or_fail(connection));
    // `WHERE` also prevents SQLite from parsing `ON` as part of a join.
    execute::<E>(connection, &columns, rows, |values| {
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

/// Pads to the next power of two by repeating the last id, so that there are few different `IN`
/// lists.
fn padded<T: Copy>(ids: &[T]) -> Vec<T> {
    let missing = ids.len().next_power_of_two() - ids.len();
    let padding = ids.last().into_iter().copied().cycle().take(missing);
    ids.iter().copied().chain(padding).collect()
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

/// `VALUES` with placeholders for rows of these types, in PostgreSQL's names.
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
