//! Values of rows, as SQLite and PostgreSQL's `COPY` accept them.

use std::fmt::Write as _;

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use uuid::Uuid;

#[derive(Clone, Debug)]
pub enum Cell {
    Null,
    Number(i64),
    Literal(&'static str),
    Text(String),
    Id(Uuid),
    Flag(bool),
    Bytes(&'static [u8]),
}

/// Rows of one table.
pub struct TableRows<'a> {
    pub name: &'static str,
    pub columns: &'static [&'static str],
    pub rows: Box<dyn Iterator<Item = Vec<Cell>> + 'a>,
}

impl Cell {
    /// In PostgreSQL's text format. No value here needs escapes.
    pub fn copy_text(&self) -> String {
        match self {
            Self::Null => "\\N".to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Literal(text) => (*text).to_owned(),
            Self::Text(text) => text.clone(),
            Self::Id(id) => id.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::Bytes(bytes) => {
                let mut hex = "\\\\x".to_owned();
                for byte in *bytes {
                    // Writing to a `String` cannot fail.
                    let _ = write!(hex, "{byte:02x}");
                }
                hex
            }
        }
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Number(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            Self::Literal(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Id(id) => ToSqlOutput::Borrowed(ValueRef::Blob(id.as_bytes())),
            Self::Flag(flag) => ToSqlOutput::Owned(Value::Integer((*flag).into())),
            Self::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}
