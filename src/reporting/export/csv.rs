//! Rows as comma-separated values, safe to open in a spreadsheet.

use std::borrow::Cow;

use csv::{Writer, WriterBuilder};

use crate::domain::phone;
use crate::reporting::export::columns::{Cell, column_names};

/// Excel needs the mark to recognise UTF-8.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ByteOrderMark {
    Present,
    Absent,
}

/// The byte order mark, if wanted, and the header.
pub(super) fn file_start(mark: ByteOrderMark) -> Vec<u8> {
    let mut bytes = byte_order_mark(mark);
    write(&mut bytes, |writer| writer.write_record(column_names()));
    bytes
}

pub(super) fn byte_order_mark(mark: ByteOrderMark) -> Vec<u8> {
    match mark {
        ByteOrderMark::Present => "\u{feff}".as_bytes().to_vec(),
        ByteOrderMark::Absent => Vec::new(),
    }
}

pub(super) fn write_rows<'a>(
    rows: impl Iterator<Item: IntoIterator<Item = Cell<'a>>>,
    bytes: &mut Vec<u8>,
) {
    write(bytes, |writer| {
        for row in rows {
            for cell in row {
                writer.write_field(cell_text(cell).as_bytes())?;
            }
            writer.write_record(None::<&[u8]>)?;
        }
        Ok(())
    });
}

#[expect(
    clippy::expect_used,
    reason = "writing rows of one length to memory cannot fail"
)]
pub(super) fn write(
    bytes: &mut Vec<u8>,
    rows: impl FnOnce(&mut Writer<&mut Vec<u8>>) -> Result<(), csv::Error>,
) {
    let mut writer = WriterBuilder::new().from_writer(bytes);
    rows(&mut writer)
        .and_then(|()| Ok(writer.flush()?))
        .expect("writing to memory succeeds");
}

fn cell_text(cell: Cell<'_>) -> Cow<'_, str> {
    match cell {
        Cell::Flag(true) => Cow::Borrowed("true"),
        Cell::Flag(false) => Cow::Borrowed("false"),
        Cell::Text(Cow::Borrowed(text)) => escape_formula(text),
        other => {
            let text = other.into_text().unwrap_or_default();
            if is_formula(&text) {
                escape_formula(&text).into_owned().into()
            } else {
                text.into()
            }
        }
    }
}

/// Spreadsheets interpret a text starting with `= + - @`, tab or CR as a formula; a leading `'`
/// prevents that. Phone numbers are left unchanged.
pub fn escape_formula(text: &str) -> Cow<'_, str> {
    if is_formula(text) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

fn is_formula(text: &str) -> bool {
    let is_phone = || text.strip_prefix('+').is_some_and(phone::are_digits);
    text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_phone()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reporting::export::columns::COLUMN_COUNT;

    fn row(text: &str) -> [Cell<'_>; COLUMN_COUNT] {
        let mut row = [const { Cell::Absent }; COLUMN_COUNT];
        row[5] = Cell::Text(text.into());
        row[8] = Cell::Flag(true);
        row
    }

    fn read_back(text: &str) -> String {
        let mut bytes = file_start(ByteOrderMark::Absent);
        write_rows([row(text), row("end")].into_iter(), &mut bytes);
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 2);
        assert_eq!(
            (rows[0].len(), &rows[0][8], &rows[1][5]),
            (COLUMN_COUNT, "true", "end")
        );
        rows[0][5].to_owned()
    }

    #[test]
    fn formulas_become_text_and_phone_numbers_stay() {
        for (text, shown) in [
            ("=1+1", "'=1+1"),
            ("+1+1", "'+1+1"),
            ("-0.01", "'-0.01"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("+919970123456", "+919970123456"),
            ("+1234567", "+1234567"),
            ("+123456", "'+123456"),
            ("+1234567890123456", "'+1234567890123456"),
            ("+91 9970123456", "'+91 9970123456"),
            ("a=b", "a=b"),
            ("'=1", "'=1"),
            ("", ""),
        ] {
            assert_eq!(read_back(text), shown);
        }
    }

    proptest! {
        #[test]
        fn any_text_round_trips_and_none_is_a_formula(text in "[=+@\t\r\n\",'0-9a-z-]{0,12}|\\PC{0,20}") {
            let back = read_back(&text);
            let is_phone = back.strip_prefix('+').is_some_and(phone::are_digits);
            prop_assert!(is_phone || !back.starts_with(['=', '+', '-', '@', '\t', '\r']));
            let unescaped = if back == text { back.as_str() } else { back.strip_prefix('\'').unwrap() };
            prop_assert_eq!(unescaped, text);
        }
    }
}
