//! Rows as comma-separated values that a spreadsheet may open without running anything.

use std::borrow::Cow;

use csv::{Writer, WriterBuilder};

use crate::reporting::export::ByteOrderMark;
use crate::reporting::export::columns::{COLUMNS, COUNT, Cell, is_phone};

/// What stands before the first row: perhaps a mark, and the header.
pub(super) fn opening(mark: ByteOrderMark) -> Vec<u8> {
    let mut bytes = opening_mark(mark);
    write(&mut bytes, |writer| writer.write_record(COLUMNS));
    bytes
}

/// The mark alone, if there is to be one.
pub(super) fn opening_mark(mark: ByteOrderMark) -> Vec<u8> {
    match mark {
        ByteOrderMark::Written => "\u{feff}".as_bytes().to_vec(),
        ByteOrderMark::Absent => Vec::new(),
    }
}

/// Appends rows.
pub(super) fn write_rows<'a>(rows: impl Iterator<Item = [Cell<'a>; COUNT]>, bytes: &mut Vec<u8>) {
    write(bytes, |writer| {
        for row in rows {
            for cell in &row {
                writer.write_field(shown(cell).as_bytes())?;
            }
            writer.write_record(None::<&[u8]>)?;
        }
        Ok(())
    });
}

/// Appends what `rows` writes.
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
        .expect("memory takes every row");
}

fn shown<'a>(cell: &'a Cell<'_>) -> Cow<'a, str> {
    match cell {
        Cell::Absent => Cow::Borrowed(""),
        Cell::Flag(true) => Cow::Borrowed("true"),
        Cell::Flag(false) => Cow::Borrowed("false"),
        Cell::Text(text) => guarded(text),
    }
}

/// Spreadsheets take `= + - @`, tab and CR at the beginning for a formula; a leading `'` makes it text. A phone number is none.
pub(super) fn guarded(text: &str) -> Cow<'_, str> {
    let phone = text.strip_prefix('+').is_some_and(is_phone);
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !phone {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(text: &str) -> [Cell<'_>; COUNT] {
        let mut row = [const { Cell::Absent }; COUNT];
        row[5] = Cell::Text(text.into());
        row[8] = Cell::Flag(true);
        row
    }

    fn read_back(text: &str) -> String {
        let mut bytes = opening(ByteOrderMark::Absent);
        write_rows([row(text), row("end")].into_iter(), &mut bytes);
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 2);
        assert_eq!(
            (rows[0].len(), &rows[0][8], &rows[1][5]),
            (COUNT, "true", "end")
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
        fn any_text_comes_back_and_none_is_a_formula(text in "[=+@\t\r\n\",'0-9a-z-]{0,12}|\\PC{0,20}") {
            let back = read_back(&text);
            let phone = back.strip_prefix('+').is_some_and(is_phone);
            prop_assert!(phone || !back.starts_with(['=', '+', '-', '@', '\t', '\r']));
            let unguarded = if back == text { back.as_str() } else { back.strip_prefix('\'').unwrap() };
            prop_assert_eq!(unguarded, text);
        }
    }
}
