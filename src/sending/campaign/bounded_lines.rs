//! Reads the lines of a file of recipients one after the other, each with a size limit, so that
//! memory use does not depend on the file.

use std::collections::VecDeque;
use std::io::{self, BufRead};

/// The longest row: every field at its limit fits.
const ROW_BYTES: usize = 64 * 1024;
/// Lines of one row: quoted fields may have line breaks.
const LINES_PER_ROW: usize = 100;

pub(super) struct RecipientLines<R> {
    reader: R,
    /// Lines read ahead, in order.
    ahead: VecDeque<Line>,
    /// The number of the last line that was read from `reader`.
    number: u64,
}

#[derive(Clone, Debug)]
struct Line {
    number: u64,
    /// With its line feed; `None` if it is too long.
    bytes: Option<Vec<u8>>,
}

/// One row, with the number of its first line.
pub(super) struct RawRow {
    pub(super) line: u64,
    pub(super) bytes: Result<Vec<u8>, String>,
}

impl<R: BufRead> RecipientLines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            ahead: VecDeque::new(),
            number: 0,
        }
    }

    pub(super) fn next_line(&mut self) -> io::Result<Option<RawRow>> {
        Ok(self.take_line()?.map(|line| RawRow {
            line: line.number,
            bytes: line.bytes.ok_or_else(too_long),
        }))
    }

    /// The next CSV row, which continues on further lines while a quoted field is open. If the quote
    /// is never closed, the first line alone is the row.
    pub(super) fn next_csv_row(&mut self) -> io::Result<Option<RawRow>> {
        let Some(first) = self.take_line()? else {
            return Ok(None);
        };
        let line = first.number;
        let Some(mut bytes) = first.bytes else {
            let bytes = Err(too_long());
            return Ok(Some(RawRow { line, bytes }));
        };
        let mut open = ends_in_quotes(&bytes, false);
        let mut more: Vec<Line> = Vec::new();
        while open {
            let next = self.take_line()?;
            let fits = next.as_ref().and_then(|next| next.bytes.as_ref());
            let fits = fits.filter(|next| bytes.len() + next.len() <= ROW_BYTES);
            let Some(part) = fits.filter(|_| more.len() < LINES_PER_ROW) else {
                more.extend(next);
                for line in more.into_iter().rev() {
                    self.ahead.push_front(line);
                }
                let bytes = Err("has a quote that is not closed".to_owned());
                return Ok(Some(RawRow { line, bytes }));
            };
            open = ends_in_quotes(part, open);
            bytes.extend_from_slice(part);
            more.extend(next);
        }
        Ok(Some(RawRow {
            line,
            bytes: Ok(bytes),
        }))
    }

    fn take_line(&mut self) -> io::Result<Option<Line>> {
        if let Some(line) = self.ahead.pop_front() {
            return Ok(Some(line));
        }
        let mut bytes = Vec::new();
        let (mut any, mut fits) = (false, true);
        loop {
            let chunk = self.reader.fill_buf()?;
            if chunk.is_empty() {
                break;
            }
            any = true;
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(chunk.len(), |end| end + 1);
            fits = fits && bytes.len() + taken <= ROW_BYTES;
            if fits {
                bytes.extend_from_slice(&chunk[..taken]);
            }
            self.reader.consume(taken);
            if end.is_some() {
                break;
            }
        }
        if !any {
            return Ok(None);
        }
        self.number += 1;
        if self.number == 1 && bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
        }
        Ok(Some(Line {
            number: self.number,
            bytes: fits.then_some(bytes),
        }))
    }
}

fn too_long() -> String {
    format!("is longer than {ROW_BYTES} bytes")
}

/// Whether a quoted field is still open after these bytes; `open` says whether one was open before
/// them. Like the CSV parser, ignores a quote inside an unquoted field.
fn ends_in_quotes(bytes: &[u8], mut open: bool) -> bool {
    let (mut begins, mut closed) = (!open, false);
    for byte in bytes {
        if *byte == b'"' && (open || begins || closed) {
            (closed, open, begins) = (open, !open, false);
        } else {
            closed = false;
            begins = !open && matches!(byte, b',' | b';' | b'\t');
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<(u64, Result<String, ()>)> {
        let mut lines = RecipientLines::new(text.as_bytes());
        let mut rows = Vec::new();
        while let Some(row) = lines.next_csv_row().unwrap() {
            let bytes = row.bytes.map(|bytes| String::from_utf8(bytes).unwrap());
            rows.push((row.line, bytes.map_err(drop)));
        }
        rows
    }

    #[test]
    fn a_quoted_field_may_have_line_breaks() {
        let found = rows("a\n\"b\nc\"\nd");
        let expected = ["a\n", "\"b\nc\"\n", "d"].map(|text| Ok(text.to_owned()));
        assert_eq!(
            found,
            [1, 2, 4].into_iter().zip(expected).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_quote_inside_an_unquoted_field_is_an_inch_mark() {
        let found = rows("1,5\" screen\n2,Bob\n3,6\" screen\n4,\"a \"\"b\"\" c\"\n");
        let lines: Vec<u64> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 2, 3, 4]);
        assert!(found.iter().all(|(_, row)| row.is_ok()));
    }

    #[test]
    fn an_unclosed_quote_rejects_only_its_own_line() {
        let text = format!("a\n\"b\n{}", "c\n".repeat(300));
        let found = rows(&text);
        assert_eq!(found.len(), 302);
        assert_eq!(found[1], (2, Err(())));
        let others = found.iter().filter(|(_, row)| row.is_ok());
        assert_eq!(others.count(), 301);
    }

    #[test]
    fn a_long_line_is_skipped() {
        let text = format!("a\n{}\nb\n", "x".repeat(3 * ROW_BYTES));
        let found = rows(&text);
        assert_eq!(found.len(), 3);
        assert_eq!(found[1], (2, Err(())));
        assert_eq!(found[2], (3, Ok("b\n".to_owned())));
    }
}
