//! Decodes the encodings that callbacks use: compression, UTF-16, percent-encoding, escapes of JSON,
//! and the digits, spaces and dashes that ASCII does not have.

use std::borrow::Cow;

use crate::domain::phone_text::{ascii_digit, is_between_digits};
use crate::receiving::unpack::unpack;

/// The bytes, then each decoded form that differs.
pub(super) fn decodings(bytes: &[u8]) -> impl Iterator<Item = Cow<'_, [u8]>> {
    let unpacked = unpack(bytes, None).unwrap_or(Cow::Borrowed(bytes));
    let wide = decode_utf16(&unpacked);
    let text = wide.as_deref().unwrap_or(&unpacked);
    let percent = decode_percent(text);
    let json = unescape_json(percent.as_deref().unwrap_or(text));
    let folded = fold_to_ascii(json.as_deref().or(percent.as_deref()).unwrap_or(text));
    let decoded = [wide, percent, json, folded].into_iter().flatten();
    let unpacked = std::iter::once(unpacked);
    unpacked.chain(decoded.map(Cow::Owned).collect::<Vec<_>>())
}

/// Decodes UTF-16 of digits and Latin letters by removing the zero byte beside each.
fn decode_utf16(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = || bytes.iter().copied().filter(|byte| *byte != 0);
    bytes.contains(&0).then(|| text().collect())
}

fn decode_percent(bytes: &[u8]) -> Option<Vec<u8>> {
    replace(bytes, b"%", 2, |digits, decoded| {
        decoded.push(u8::try_from(parse_hex(digits)?).ok()?);
        Some(())
    })
}

/// Decodes the escapes of JSON, except of the characters beyond `\uffff`, of which no number consists.
fn unescape_json(bytes: &[u8]) -> Option<Vec<u8>> {
    let unescaped = unescape_unicode(bytes);
    let short = replace(
        unescaped.as_deref().unwrap_or(bytes),
        b"\\",
        1,
        |letter, decoded| {
            decoded.push(match letter {
                b"t" => b'\t',
                b"n" => b'\n',
                b"r" => b'\r',
                b"/" => b'/',
                _ => return None,
            });
            Some(())
        },
    );
    short.or(unescaped)
}

fn unescape_unicode(bytes: &[u8]) -> Option<Vec<u8>> {
    replace(bytes, b"\\u", 4, |digits, decoded| {
        let character = char::from_u32(parse_hex(digits)?)?;
        decoded.extend(character.encode_utf8(&mut [0; 4]).bytes());
        Some(())
    })
}

/// Digits of other scripts become those of ASCII, and what may stand between the digits of a number
/// becomes a space. `None` without such characters.
fn fold_to_ascii(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.is_ascii() {
        return None;
    }
    let fold = |c: char| match ascii_digit(c) {
        Some(digit) => digit,
        None if !c.is_ascii() && is_between_digits(c) => ' ',
        None => c,
    };
    let folded: String = String::from_utf8_lossy(bytes).chars().map(fold).collect();
    Some(folded.into_bytes())
}

/// Replaces every `prefix` and the `length` bytes after it with what `decode` adds for those bytes;
/// it adds nothing if it returns `None`. `None` if nothing was replaced.
fn replace(
    bytes: &[u8],
    prefix: &[u8],
    length: usize,
    decode: impl Fn(&[u8], &mut Vec<u8>) -> Option<()>,
) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let (mut at, mut is_changed) = (0, false);
    while let Some(byte) = bytes.get(at) {
        let following = bytes.get(at..).and_then(|rest| rest.strip_prefix(prefix));
        let replaced = following.and_then(|rest| decode(rest.get(..length)?, &mut decoded));
        if replaced.is_some() {
            at += prefix.len() + length;
            is_changed = true;
        } else {
            decoded.push(*byte);
            at += 1;
        }
    }
    is_changed.then_some(decoded)
}

fn parse_hex(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}
