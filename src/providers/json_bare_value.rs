//! Finds the end of a value without double quotes in JSON: a number with grouped digits, several
//! words, a text between apostrophes, and a call such as `ISODate("…")`.

/// End a value, unless it continues behind.
const ENDS: &[char] = &['"', '{', '}', '[', ']', ',', '\r', '\n'];
/// Maximum bytes of a call or of a part in brackets.
const CALL_LIMIT: usize = 200;
/// Maximum bytes of a text between apostrophes, and of words up to a comma that belongs to them.
const TEXT_LIMIT: usize = 2048;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BareValue<'t> {
    /// A word, a number, or several words.
    Word(&'t str),
    /// What was between quotes; an apostrophe may be escaped.
    Quoted(&'t str),
}

/// The value of a member at the beginning of `rest`, and its length. It does not begin with a
/// double quote or a bracket.
pub(super) fn find_member_value(rest: &str) -> (BareValue<'_>, usize) {
    find_quoted(rest)
        .or_else(|| find_call(rest))
        .unwrap_or_else(|| {
            let length = word_length(rest);
            (BareValue::Word(&rest[..length]), length)
        })
}

/// `ObjectId("65f")`, `new Date(1692947519000)`, `NumberLong(1)`: the only argument stands for the
/// call. With no or several arguments, the call is a word.
pub(super) fn find_call(rest: &str) -> Option<(BareValue<'_>, usize)> {
    let window = &rest[..rest.floor_char_boundary(CALL_LIMIT)];
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$' | ' ');
    let open = window.find(|c| !is_name(c))?;
    let arguments = window[open..].strip_prefix('(')?;
    if !window.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let first = arguments.trim_ascii_start();
    let (value, end) = if let Some(quote @ ('"' | '\'')) = first.chars().next() {
        let inner = &first[1..];
        let length = inner.find(quote)?;
        let end = arguments.len() - inner.len() + length + 1;
        (BareValue::Quoted(&inner[..length]), end)
    } else {
        let end = arguments.find(')')?;
        let argument = arguments[..end].trim_ascii();
        let is_only = !argument.is_empty() && !argument.contains(',');
        let call = &window[..=open + 1 + end];
        (BareValue::Word(if is_only { argument } else { call }), end)
    };
    let behind = arguments[end..].trim_ascii_start().strip_prefix(')')?;
    let (BareValue::Word(text) | BareValue::Quoted(text)) = value;
    let is_plain = !text.contains(['"', '\\', '{', '}', '[', ']', '\r', '\n']);
    (is_plain && ends_value(behind)).then_some((value, window.len() - behind.len()))
}

/// `'text'`, `b'text'`, `u'text'`
fn find_quoted(rest: &str) -> Option<(BareValue<'_>, usize)> {
    let window = &rest[..rest.floor_char_boundary(TEXT_LIMIT)];
    let begin = match window.as_bytes() {
        [b'\'', ..] => 1,
        [_, b'\'', ..] if has_prefix(window) => 2,
        _ => return None,
    };
    let text = &window[begin..];
    // With a quote or a bracket, it may be the text of another object.
    let plain = text.find(['"', '{', '}', '[', ']', '\r', '\n']);
    let mut apostrophes = text[..plain.unwrap_or(text.len())].match_indices('\'');
    let (end, _) =
        apostrophes.find(|(at, _)| !text[..*at].ends_with('\\') && ends_value(&text[at + 1..]))?;
    Some((BareValue::Quoted(&text[..end]), begin + end + 1))
}

/// Whether a letter before a quote marks bytes or a text, as in Python.
pub(super) fn has_prefix(text: &str) -> bool {
    text.starts_with(['b', 'u', 'r', 'B', 'U', 'R'])
        && matches!(text.as_bytes().get(1), Some(b'"' | b'\''))
}

fn ends_value(rest: &str) -> bool {
    rest.trim_ascii_start().starts_with([',', '}', ']'])
}

fn word_length(rest: &str) -> usize {
    let mut length = 0;
    loop {
        length += next_end(&rest[length..]);
        let behind = &rest[length..];
        length += match behind.chars().next() {
            Some(',') if length < TEXT_LIMIT && continues(&behind[1..]) => 1,
            Some('{' | '[') if length > 0 => match bracketed_length(behind) {
                Some(bracketed) => bracketed,
                None => return length,
            },
            _ => return length,
        };
    }
}

pub(super) fn next_end(rest: &str) -> usize {
    rest.find(ENDS).unwrap_or(rest.len())
}

/// Whether what follows a comma is a part of the value: neither a member nor the end of the line or
/// of the object.
fn continues(rest: &str) -> bool {
    let rest = rest.trim_start_matches([' ', '\t']);
    let part = &rest[..next_end(rest)];
    // `14:32` is a time, `name: x` a member.
    let names_member = || {
        part.contains('=')
            || part.match_indices(':').any(|(at, _)| {
                let is_digit = |c: char| c.is_ascii_digit();
                !part[..at].ends_with(is_digit) || !part[at + 1..].starts_with(is_digit)
            })
    };
    !part.is_empty() && !part.starts_with('\'') && !names_member()
}

/// The length of ` [VIP]` or `{x}` inside of words.
pub(super) fn bracketed_length(rest: &str) -> Option<usize> {
    let window = &rest[..rest.floor_char_boundary(CALL_LIMIT)];
    let close = if window.starts_with('[') { ']' } else { '}' };
    let end = 1 + window[1..].find(['"', '\'', ':', '{', '}', '[', ']', ',', '\r', '\n'])?;
    window[end..].starts_with(close).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::BareValue::{Quoted, Word};
    use super::*;

    #[test]
    fn a_value_ends_before_the_next_member() {
        for (rest, value) in [
            ("1,234.50,\"x\":1", Word("1,234.50")),
            ("1,\n\"x\":1", Word("1")),
            ("Rao, id: B, x: 1}", Word("Rao")),
            ("A, id=B}", Word("A")),
            (
                "Sat, 28 Nov 2026 03:50:50 GMT}",
                Word("Sat, 28 Nov 2026 03:50:50 GMT"),
            ),
            (
                "Meera [VIP] Rao, 2nd},{\"id\":1}",
                Word("Meera [VIP] Rao, 2nd"),
            ),
            ("A{\"id\":\"B\"}", Word("A")),
            ("A [{]", Word("A ")),
            ("ObjectId(\"65f\"),\"x\":1", Quoted("65f")),
            ("ISODate( '2026-11-28' ) }", Quoted("2026-11-28")),
            ("new Date(1692947519000)}", Word("1692947519000")),
            (
                "datetime.datetime(2026, 11, 28)}",
                Word("datetime.datetime(2026, 11, 28)"),
            ),
            ("f()}", Word("f()")),
            ("f(\"a\",\"b\")}", Word("f(")),
            ("b'text',\"x\":1", Quoted("text")),
            ("'it's, so'}", Quoted("it's, so")),
            ("'M,\"id\":\"B\",\"n\":'x'}", Word("'M")),
        ] {
            assert_eq!(find_member_value(rest).0, value, "{rest}");
        }
    }

    proptest! {
        #[test]
        fn a_value_is_a_part_of_the_text(rest in "[a-z'\",:(){}\\[\\]=\\\\ \n\u{e4}1]{0,40}") {
            let (_, length) = find_member_value(&rest);
            prop_assert!(rest.is_char_boundary(length));
        }
    }
}
