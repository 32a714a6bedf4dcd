//! Makes received text safe to display: control characters become visible, binary data becomes a
//! hex dump.
//!
//! Escaping for HTML is left to askama.

use std::fmt::Write;

/// Text on one line: every control character, line breaks included, becomes a symbol.
pub fn visible_line(text: &str) -> String {
    text.chars().map(symbol).collect()
}

/// Adds a capital first letter and a full stop.
pub fn sentence(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .chain(letters)
        .chain(['.'])
        .collect()
}

/// Keeps line feeds and tabs; shows every other control character as a symbol.
pub fn visible_block(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            other => symbol(other),
        })
        .collect()
}

/// Control characters have symbols of their own; characters that reorder or hide text become `▯`.
fn symbol(c: char) -> char {
    match c {
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('▯'),
        '\u{7f}' => '␡',
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{200b}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}' => '▯',
        other => other,
    }
}

/// Sixteen bytes per line: offset, hexadecimal, and printable ASCII.
pub fn hex_dump(bytes: &[u8]) -> String {
    let mut dump = String::with_capacity(bytes.len() * 5);
    for (line, chunk) in bytes.chunks(16).enumerate() {
        let hex = chunk.iter().fold(String::new(), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x} ");
            hex
        });
        let letters: String = chunk
            .iter()
            .map(|&byte| match byte {
                0x20..=0x7e => char::from(byte),
                _ => '·',
            })
            .collect();
        let _ = writeln!(dump, "{:08x}  {hex:<48} {letters}", line * 16);
    }
    dump
}

/// One value per line, every token exactly as received: numbers keep their digits, keys their
/// order. None if the text is not a JSON object or array, or needs more than `limit` bytes: many
/// values deep inside have long indents.
pub fn indent_json(text: &str, limit: usize) -> Option<String> {
    let trimmed = text.trim();
    if !trimmed.starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str::<serde::de::IgnoredAny>(trimmed).ok()?;
    let mut indented = String::with_capacity(trimmed.len() * 2);
    let mut depth = 0_usize;
    let mut quoted = false;
    let mut escaped = false;
    let mut characters = trimmed.chars().peekable();
    while let Some(c) = characters.next() {
        if indented.len() > limit {
            return None;
        }
        if quoted {
            indented.push(c);
            quoted = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        match c {
            ' ' | '\t' | '\r' | '\n' => {}
            '{' | '[' => {
                indented.push(c);
                while characters.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(end) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    indented.push(end);
                } else {
                    depth += 1;
                    break_line(&mut indented, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                break_line(&mut indented, depth);
                indented.push(c);
            }
            ',' => {
                indented.push(c);
                break_line(&mut indented, depth);
            }
            ':' => indented.push_str(": "),
            other => {
                quoted = other == '"';
                indented.push(other);
            }
        }
    }
    Some(indented)
}

fn break_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_reordering_marks_are_shown() {
        assert_eq!(visible_line("a\0b\r\nc\u{202e}d"), "a␀b␍␊c▯d");
        assert_eq!(visible_block("a\r\n\tb\u{7f}"), "a␍\n\tb␡");
    }

    #[test]
    fn bytes_are_dumped_with_offset_and_letters() {
        assert_eq!(
            hex_dump(b"\xffwamid"),
            format!("00000000  {:<48} ·wamid\n", "ff 77 61 6d 69 64 ")
        );
    }

    #[test]
    fn indented_json_keeps_every_token() {
        let text = r#"{"id":12345678901234567890,"a":[ ],"b":[1.0,"x, \"{y\\"],"c":{}}"#;
        assert_eq!(
            indent_json(text, 1_000).unwrap(),
            "{\n  \"id\": 12345678901234567890,\n  \"a\": [],\n  \"b\": [\n    1.0,\n    \"x, \\\"{y\\\\\"\n  ],\n  \"c\": {}\n}"
        );
        assert_eq!(indent_json("status=sent", 1_000), None);
        assert_eq!(indent_json("{broken", 1_000), None);
        assert_eq!(indent_json(text, 50), None);
    }
}
