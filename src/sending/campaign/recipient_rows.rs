//! Reads recipients from CSV with a header, or from one JSON object per line.

use std::io::{self, BufRead};

use serde_json::{Map, Value};
use strum::{EnumString, IntoStaticStr};

use crate::sending::accept::InvalidField;
use crate::sending::campaign::bounded_lines::{RawRow, RecipientLines};
use crate::sending::campaign::recipient_content::RecipientContent;

/// Columns that fields of the message come from; any other is a variable.
const FIELD_COLUMNS: [&str; 8] = [
    "to",
    "name",
    "caption",
    "media_url",
    "ref",
    "ref1",
    "ref2",
    "client_reference",
];
/// Rows of a file; its import stops there.
pub(super) const ROWS_LIMIT: u64 = 1_000_000;
/// Columns of a file.
const COLUMNS_LIMIT: usize = 100;
/// The field of errors about a whole row.
const ROW: &str = "row";

#[derive(Clone, Copy, PartialEq, Eq, Debug, EnumString, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum RowFormat {
    Csv,
    Ndjson,
}

impl RowFormat {
    /// The format that the file extension names, else CSV.
    pub fn of_file_name(name: &str) -> Self {
        let extension = name.rsplit_once('.').map(|(_, extension)| extension);
        match extension {
            Some("ndjson" | "jsonl") => Self::Ndjson,
            _ => Self::Csv,
        }
    }
}

pub(super) struct RecipientRows<R> {
    lines: RecipientLines<R>,
    /// Absent in NDJSON.
    table: Option<Table>,
}

struct Table {
    delimiter: u8,
    columns: Vec<String>,
}

/// One row, with the number of its first line.
pub(super) struct ReadRow {
    pub(super) line: u64,
    pub(super) content: Result<RecipientContent, InvalidField>,
}

/// Why no row can be read.
pub(super) enum RowsError {
    Header(InvalidField),
    Read(io::Error),
}

impl From<io::Error> for RowsError {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

impl<R: BufRead> RecipientRows<R> {
    /// Reads the header.
    pub(super) fn open(reader: R, format: RowFormat) -> Result<Self, RowsError> {
        let mut lines = RecipientLines::new(reader);
        let table =
            match format {
                RowFormat::Ndjson => None,
                RowFormat::Csv => {
                    let header = lines.next_csv_row()?;
                    Some(Table::of_header(header).map_err(|message| {
                        RowsError::Header(InvalidField::new("header", message))
                    })?)
                }
            };
        Ok(Self { lines, table })
    }

    /// The next row that is not empty.
    pub(super) fn next_row(&mut self) -> io::Result<Option<ReadRow>> {
        loop {
            let row = match &self.table {
                Some(_) => self.lines.next_csv_row()?,
                None => self.lines.next_line()?,
            };
            let Some(RawRow { line, bytes }) = row else {
                return Ok(None);
            };
            let content = match (bytes, &self.table) {
                (Ok(bytes), _) if bytes.trim_ascii().is_empty() => continue,
                (Ok(bytes), Some(table)) => table.read(&bytes),
                (Ok(bytes), None) => read_json(&bytes),
                (Err(message), _) => Err(InvalidField::new(ROW, message)),
            };
            let content = content.map(|content| RecipientContent { line, ..content });
            return Ok(Some(ReadRow { line, content }));
        }
    }
}

impl Table {
    fn of_header(row: Option<RawRow>) -> Result<Self, String> {
        let bytes = row.ok_or("is missing; the file is empty")?.bytes?;
        // Spreadsheets write semicolons where the comma is the decimal point.
        let mut delimiters = *b",;\t";
        let delimiter = delimiters.iter_mut().find(|byte| bytes.contains(byte));
        let delimiter = delimiter.map_or(b',', |byte| *byte);
        let columns = split(&bytes, delimiter).map_err(|error| error.message)?;
        let columns: Vec<String> = columns.into_iter().map(|name| column_name(&name)).collect();
        if columns.len() > COLUMNS_LIMIT {
            return Err(format!(
                "has {} columns; at most {COLUMNS_LIMIT} are allowed",
                columns.len()
            ));
        }
        for (place, name) in columns.iter().enumerate() {
            if !name.is_empty() && columns[..place].contains(name) {
                return Err(format!("has the column `{name}` twice"));
            }
        }
        if !columns.iter().any(|name| name == "to") {
            let columns = columns.join(", ");
            return Err(format!("has no column `to`; it has {columns}"));
        }
        Ok(Self { delimiter, columns })
    }

    fn read(&self, bytes: &[u8]) -> Result<RecipientContent, InvalidField> {
        let fields = split(bytes, self.delimiter)?;
        let extra = fields.iter().skip(self.columns.len());
        if extra.clone().any(|field| !field.trim().is_empty()) {
            let message = format!(
                "has {} fields, the header has {}; a text that contains a comma needs quotes",
                fields.len(),
                self.columns.len()
            );
            return Err(InvalidField::new(ROW, message));
        }
        let mut content = RecipientContent::default();
        for (name, value) in self.columns.iter().zip(fields) {
            if !name.is_empty() {
                content.set(name, value);
            }
        }
        Ok(content)
    }
}

/// Names of [`FIELD_COLUMNS`] in lower case; others as they are.
fn column_name(text: &str) -> String {
    let name = text.trim();
    let lower = name.to_ascii_lowercase();
    if FIELD_COLUMNS.contains(&lower.as_str()) {
        lower
    } else {
        name.to_owned()
    }
}

fn split(bytes: &[u8], delimiter: u8) -> Result<Vec<String>, InvalidField> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .buffer_capacity(bytes.len().max(1))
        .from_reader(bytes);
    let mut record = csv::ByteRecord::new();
    reader
        .read_byte_record(&mut record)
        .map_err(|error| InvalidField::new(ROW, format!("is not CSV: {error}")))?;
    let read = usize::try_from(reader.position().byte()).unwrap_or(bytes.len());
    let rest = bytes.get(read..).unwrap_or_default();
    if !rest.trim_ascii().is_empty() {
        let message = "has a quote that does not belong to its text";
        return Err(InvalidField::new(ROW, message));
    }
    record
        .iter()
        .map(|field| {
            let text = str::from_utf8(field);
            text.map(ToOwned::to_owned)
                .map_err(|_| InvalidField::new(ROW, "is not UTF-8; save the file as CSV UTF-8"))
        })
        .collect()
}

fn read_json(bytes: &[u8]) -> Result<RecipientContent, InvalidField> {
    let fields: Map<String, Value> = serde_json::from_slice(bytes).map_err(|error| {
        let kind = match error.classify() {
            serde_json::error::Category::Data => "is not a JSON object",
            _ => "is not valid JSON",
        };
        InvalidField::new(ROW, format!("{kind} (column {})", error.column()))
    })?;
    let mut content = RecipientContent::default();
    for (name, value) in fields {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Array(_) | Value::Object(_) => {
                return Err(InvalidField::new(&name, "is not a text or a number"));
            }
        };
        content.set(&name, text);
    }
    Ok(content)
}
