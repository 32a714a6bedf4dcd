//! The header of a provider's file.

use std::io::Read;

use csv::{Reader, ReaderBuilder, StringRecord, Terminator, Trim};

/// The names of the file's columns.
pub fn read_header(input: impl Read) -> csv::Result<Vec<String>> {
    let header = header_of(&mut csv_reader(input))?;
    Ok(header.iter().map(str::to_owned).collect())
}

pub(super) fn csv_reader<R: Read>(input: R) -> Reader<R> {
    ReaderBuilder::new()
        // Trims the `\r` of CRLF too. With the default, the reader numbers the lines of such files one
        // too low, because it consumes `\n` with the next record.
        .trim(Trim::All)
        .terminator(Terminator::Any(b'\n'))
        .flexible(true)
        .from_reader(input)
}

pub(super) fn header_of(reader: &mut Reader<impl Read>) -> csv::Result<StringRecord> {
    let names = reader.headers()?.iter();
    Ok(names
        .map(|name| name.trim_start_matches('\u{feff}').trim())
        .collect())
}
