//! Rows as one JSON object a line: only what exists, texts exactly as they are.

use serde_json::{Map, Value};

use crate::reporting::export::columns::{COLUMNS, COUNT, Cell};

/// Appends rows.
pub(super) fn write_rows<'a>(rows: impl Iterator<Item = [Cell<'a>; COUNT]>, bytes: &mut Vec<u8>) {
    for row in rows {
        let object: Map<String, Value> = COLUMNS
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
        Cell::Absent => None,
        Cell::Text(text) => Some(Value::String(text.into_owned())),
        Cell::Flag(flag) => Some(Value::Bool(flag)),
    }
}
