//! Decodes the bytes of a callback. Its charset label is ignored: the bytes decide.

use std::borrow::Cow;

use crate::providers::reading_budget::ReadingLimit;

/// Maximum bytes of a text that had to be rewritten. Each invalid byte becomes three.
const REWRITTEN_LIMIT: usize = 16 * 1024 * 1024;

/// Decodes UTF-8, or UTF-16 or UTF-32 if the first bytes indicate it. Invalid bytes become U+FFFD,
/// so that they affect only the text that they are in; an incomplete last unit of UTF-16 or UTF-32
/// is dropped.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, ReadingLimit> {
    if let Some(read_character) = utf32_order(bytes) {
        let characters = bytes.as_chunks().0.iter();
        let characters = characters.map(|bytes| char::from_u32(read_character(*bytes)));
        return collect(
            characters.map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)),
        )
        .map(Cow::Owned);
    }
    if let Some(read_unit) = utf16_order(bytes) {
        let units = bytes.as_chunks().0.iter().map(|unit| read_unit(*unit));
        let characters = char::decode_utf16(units);
        return collect(
            characters.map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)),
        )
        .map(Cow::Owned);
    }
    match str::from_utf8(bytes) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(_) => replace_bad_bytes(bytes).map(Cow::Owned),
    }
}

/// How to read a character of UTF-32, if the text begins with a byte order mark or with a character
/// that has three zero bytes.
fn utf32_order(bytes: &[u8]) -> Option<fn([u8; 4]) -> u32> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [1..=255, 0, 0, 0, ..] => Some(u32::from_le_bytes),
        [0, 0, 0xfe, 0xff, ..] | [0, 0, 0, 1..=255, ..] => Some(u32::from_be_bytes),
        _ => None,
    }
}

/// How to read a unit of UTF-16, if the text begins with a byte order mark or with a unit that has
/// one zero byte.
fn utf16_order(bytes: &[u8]) -> Option<fn([u8; 2]) -> u16> {
    match bytes {
        [0xff, 0xfe, ..] | [1..=255, 0, ..] => Some(u16::from_le_bytes),
        [0xfe, 0xff, ..] | [0, 1..=255, ..] => Some(u16::from_be_bytes),
        _ => None,
    }
}

fn collect(characters: impl Iterator<Item = char>) -> Result<String, ReadingLimit> {
    let mut text = String::new();
    for character in characters {
        check_length(&text)?;
        text.push(character);
    }
    Ok(text)
}

fn replace_bad_bytes(bytes: &[u8]) -> Result<String, ReadingLimit> {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        check_length(&text)?;
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    Ok(text)
}

/// Decodes text with names in a charset whose characters may have a backslash or a quote as second
/// byte, such as Big5, Shift-JIS or ISO-2022-JP; each character becomes U+FFFD. `None` if it has no
/// such byte. Most often the text has another charset and the backslash is one, so this comes after
/// [`decode`].
pub(super) fn decode_double_bytes(bytes: &[u8]) -> Option<String> {
    const ESCAPE_LIMIT: usize = 2048;
    if bytes.len() > REWRITTEN_LIMIT || utf32_order(bytes).is_some() || utf16_order(bytes).is_some()
    {
        return None;
    }
    if let Ok(text) = str::from_utf8(bytes)
        && !text.is_ascii()
    {
        return drop_second_bytes(text);
    }
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    let mut has_backslash = false;
    while let Some(first) = rest.first() {
        let length = match rest {
            // `ESC $ B` begins, `ESC ( B` ends double bytes of seven bits.
            [0x1b, b'$', ..] => {
                let window = &rest[..rest.len().min(ESCAPE_LIMIT)];
                let end = window.windows(2).position(|pair| pair == [0x1b, b'(']);
                has_backslash |= end.is_some();
                end.map_or(1, |end| (end + 3).min(rest.len()))
            }
            [0x81..=0xfe, second @ (0x40..=0x7e | 0x80..=0xfe), ..] => {
                has_backslash |= *second == b'\\';
                2
            }
            [0x80..=0xff, ..] => 1,
            [_, ..] => {
                text.push(char::from(*first));
                rest = &rest[1..];
                continue;
            }
            [] => break,
        };
        text.push(char::REPLACEMENT_CHARACTER);
        rest = &rest[length..];
    }
    has_backslash.then_some(text)
}

/// Drops each backslash behind a U+FFFD: both stand for one character of two bytes. `None` without
/// one.
pub(super) fn drop_second_bytes(text: &str) -> Option<String> {
    const SECOND_BYTE: &str = "\u{fffd}\\";
    text.contains(SECOND_BYTE)
        .then(|| text.replace(SECOND_BYTE, "\u{fffd}"))
}

fn check_length(text: &str) -> Result<(), ReadingLimit> {
    if text.len() > REWRITTEN_LIMIT {
        return Err(ReadingLimit::Unrepairable);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_8_utf_16_and_utf_32_are_decoded() {
        let text = "{\"name\":\"Zoë \u{1f600}\"}";
        let le: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [text.as_bytes(), &le, &be] {
            assert_eq!(decode(bytes).unwrap(), text);
        }
        let wide = |to_bytes: fn(u32) -> [u8; 4]| -> Vec<u8> {
            text.chars().flat_map(|c| to_bytes(u32::from(c))).collect()
        };
        for bytes in [wide(u32::to_le_bytes), wide(u32::to_be_bytes)] {
            assert_eq!(decode(&bytes).unwrap(), text);
        }
        let marked = [b"\xff\xfe", le.as_slice()].concat();
        assert_eq!(decode(&marked).unwrap(), format!("\u{feff}{text}"));
    }

    #[test]
    fn a_second_byte_is_no_backslash() {
        for (bytes, text) in [
            (
                &b"{\"n\":\"\xa5\x5c\",\"o\":\"\x83\x5c\x95\x5c\x8e\xa6 A\"}"[..],
                "{\"n\":\"\u{fffd}\",\"o\":\"\u{fffd}\u{fffd}\u{fffd} A\"}",
            ),
            (b"\"\x1b$B\"\\\x1b(B\"", "\"\u{fffd}\""),
        ] {
            assert_eq!(decode_double_bytes(bytes).as_deref(), Some(text));
        }
        assert_eq!(decode_double_bytes(b"Zo\xeb \\\" x"), None);
        assert_eq!(
            drop_second_bytes("\u{fffd}\\\"").as_deref(),
            Some("\u{fffd}\"")
        );
        assert_eq!(drop_second_bytes("\u{fffd}\""), None);
    }

    #[test]
    fn bad_bytes_are_replaced_up_to_a_limit() {
        assert_eq!(
            decode(b"Zo\xeb, M\xed\xa0\xbd").unwrap(),
            "Zo\u{fffd}, M\u{fffd}\u{fffd}\u{fffd}"
        );
        let lone_surrogate = [0xff, 0xfe, b'a', 0, 0x3d, 0xd8];
        assert_eq!(decode(&lone_surrogate).unwrap(), "\u{feff}a\u{fffd}");
        let noise = vec![0xff; REWRITTEN_LIMIT];
        assert_eq!(decode(&noise), Err(ReadingLimit::Unrepairable));
    }
}
