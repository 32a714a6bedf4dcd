//! Decodes the encodings that callbacks use: compression, UTF-16, percent-encoding, escapes of
//! JSON.

use std::borrow::Cow;

use crate::receiving::unpack::unpack;

/// The bytes, then each decoded form that differs.
pub(super) fn decodings(bytes: &[u8]) -> impl Iterator<Item = Cow<'_, [u8]>> {
    let unpacked = unpack(bytes, None).unwrap_or(Cow::Borrowed(bytes));
    let wide = decode_utf16(&unpacked);
    let text = wide.as_deref().unwrap_or(&unpacked);
    let percent = decode_percent(text);
    let json = unescape_json(percent.as_deref().unwrap_or(text));
    let decoded = [wide, percent, json].into_iter().flatten();
    let unpacked = std::iter::once(unpacked);
    unpacked.chain(decoded.map(Cow::Owned).collect::<Vec<_>>())
}

/// Decodes UTF-16 of digits and Latin letters by removing the zero byte beside each.
fn decode_utf16(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = || bytes.iter().copied().filter(|byte| *byte != 0);
    bytes.contains(&0).then(|| text().collect())
}

fn decode_percent(bytes: &[u8]) -> Option<Vec<u8>> {
    replace(bytes, b"%", 2, |digits| parse_hex(digits, 0xff))
}

/// Decodes `\u` escapes of ASCII characters.
fn unescape_json(bytes: &[u8]) -> Option<Vec<u8>> {
    replace(bytes, b"\\u", 4, |digits| parse_hex(digits, 0x7f))
}

/// Replaces every `prefix` and the `length` bytes after it with the byte that `decode` returns for
/// those bytes. `None` if nothing was replaced.
fn replace(
    bytes: &[u8],
    prefix: &[u8],
    length: usize,
    decode: impl Fn(&[u8]) -> Option<u8>,
) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let (mut at, mut is_changed) = (0, false);
    while let Some(byte) = bytes.get(at) {
        let following = bytes.get(at..).and_then(|rest| rest.strip_prefix(prefix));
        if let Some(byte) = following.and_then(|rest| decode(rest.get(..length)?)) {
            decoded.push(byte);
            at += prefix.len() + length;
            is_changed = true;
        } else {
            decoded.push(*byte);
            at += 1;
        }
    }
    is_changed.then_some(decoded)
}

fn parse_hex(digits: &[u8], max: u32) -> Option<u8> {
    let number = u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    u8::try_from(number).ok().filter(|_| number <= max)
}
