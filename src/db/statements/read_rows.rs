//! Reads many rows as one JSON text. Values read one by one cost four times as much each, because the
//! driver copies every value between two threads.

use std::marker::PhantomData;

use futures_util::join;
use sea_orm::sea_query::{ColumnType, Expr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, IdenStatic, Iterable, QuerySelect,
    QueryTrait, Select, Statement, Value,
};
use serde::de::DeserializeOwned;

use crate::db::error::Error;

/// Ids in one `IN` list of a hand-written query; below the limits of both engines. [`find_by`] uses
/// [`ROWS_PER_STATEMENT`].
pub(crate) const IDS_PER_QUERY: usize = 512;
/// Maximum rows of one statement and ids of one `IN` list; small enough that the database executes
/// one statement while this thread prepares or decodes another.
pub(super) const ROWS_PER_STATEMENT: usize = 256;

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
    let (row_json, table, key) = (
        row_json_sql::<E>(backend),
        E::default().as_str(),
        column.as_str(),
    );
    let query = |chunk| {
        let chunk: Vec<_> = padded(chunk);
        let placeholders = id_placeholders(backend, chunk.len());
        let text =
            format!("SELECT {row_json} AS line FROM {table} WHERE {key} IN ({placeholders})");
        let values = chunk.into_iter().map(Into::into);
        read_lines(
            connection,
            Statement::from_sql_and_values(backend, text, values),
        )
    };
    let mut found = Vec::new();
    let mut fetched = EncodedRows::<E>::default();
    for chunk in ids.chunks(ROWS_PER_STATEMENT) {
        let decoding = async { fetched.decode().collect::<Result<Vec<_>, _>>() };
        // The database thread runs the next query while this thread decodes the previous one.
        let (next, rows) = join!(query(chunk), decoding);
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
    let lines = query.select_only().expr_as(row_json::<E>(backend), "line");
    read_lines(connection, lines.build(backend)).await
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

    /// Like `decode`, but begins at the row with index `first`. Skipping rows is cheap.
    pub(crate) fn decode_from(
        &self,
        first: usize,
    ) -> impl Iterator<Item = Result<E::Model, DbErr>> {
        self.lines.lines().skip(first).map(decode_row::<E>)
    }
}

/// A row from the JSON array of its columns; see [`row_json`].
pub(crate) fn decode_row<E>(json: &str) -> Result<E::Model, DbErr>
where
    E: EntityTrait<Model: DeserializeOwned>,
{
    // serde_json's message quotes the value, which may be a phone number.
    serde_json::from_str(json).map_err(|error| {
        let (table, kind, position) = (E::default(), error.classify(), error.column());
        DbErr::Json(format!(
            "a row of {} does not match its columns: {kind:?} at character {position} of its JSON",
            table.as_str()
        ))
    })
}

/// The result of a statement that selects one [`row_json`] per row. Neither database writes a line feed
/// inside JSON.
async fn read_lines<E: EntityTrait>(
    connection: &impl ConnectionTrait,
    mut statement: Statement,
) -> Result<EncodedRows<E>, Error> {
    let aggregate = text_aggregate(statement.db_backend);
    let line_feed = match statement.db_backend {
        DbBackend::Postgres => "chr(10)",
        _ => "char(10)",
    };
    statement.sql = format!(
        "SELECT {aggregate}(line, {line_feed}) FROM ({}) AS lines",
        statement.sql
    );
    let lines: Option<String> = match connection.query_one_raw(statement).await? {
        Some(row) => row.try_get_by_index(0)?,
        None => None,
    };
    Ok(EncodedRows::of(lines.unwrap_or_default()))
}

/// The SQL function that joins texts of many rows.
pub(crate) fn text_aggregate(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => "string_agg",
        _ => "group_concat",
    }
}

/// The columns of an entity as a JSON array. Binary columns must be UUIDs.
pub(crate) fn row_json<E: EntityTrait>(backend: DbBackend) -> Expr {
    Expr::cust(row_json_sql::<E>(backend))
}

fn row_json_sql<E: EntityTrait>(backend: DbBackend) -> String {
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

fn id_placeholders(backend: DbBackend, count: usize) -> String {
    let placeholders: Vec<String> = (1..=count)
        .map(|number| match backend {
            DbBackend::Postgres => format!("${number}"),
            _ => "?".to_owned(),
        })
        .collect();
    placeholders.join(",")
}

/// Pads to the next power of two by repeating the last id, so that few statements are prepared.
pub(crate) fn padded<T: Copy>(ids: &[T]) -> Vec<T> {
    let missing = ids.len().next_power_of_two() - ids.len();
    let padding = ids.last().into_iter().copied().cycle().take(missing);
    ids.iter().copied().chain(padding).collect()
}
