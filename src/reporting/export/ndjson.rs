//! Rows as one JSON object per line, without absent values.

use serde_json::{Map, Value};

use crate::reporting::export::columns::{Cell, column_names};

pub(super) fn write_rows<'a>(
    rows: impl Iterator<Item: IntoIterator<Item = Cell<'a>>>,
    bytes: &mut Vec<u8>,
) {
    for row in rows {
        let object: Map<String, Value> = column_names()
            .into_iter()
            .zip(row)
            .filter_map(|(name, cell)| Some((name.to_owned(), value(cell)?)))
            .collect();
        bytes.extend_from_slice(Value::Object(object).to_string().as_bytes());
        bytes.push(b'\n');
    }
}

fn value(cell: Cell<'_>) -> Option<Value> {
    match cell {
        Cell::Flag(flag) => Some(Value::Bool(flag)),
        other => other.into_text().map(Value::String),
    }
}
