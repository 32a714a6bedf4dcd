//! Recognises the ids of one customer in texts, bodies and files, however they are written.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use regex::bytes::{Regex, RegexBuilder};

use crate::operating::erasure::callback_decodings::decodings;
use crate::operating::erasure::identities::Identities;
use crate::sending::recipient_number;

/// What may stand between two digits of a written number, after the characters that ASCII does not
/// have were replaced. `+` is a space in a form.
const SEPARATORS: &str = r"[\s()\[\]~+.\-/\xa0]{0,6}";
/// A shorter national number would match unrelated digits.
const MIN_NATIONAL_DIGITS: usize = 8;

/// Matches a number as people and providers write it, and inside base64: a wamid contains the
/// number.
#[derive(Clone, Debug)]
pub struct IdentityMatcher {
    /// Whole numbers and ids.
    written: Regex,
    /// Inside base64.
    encoded: Regex,
    /// As stored in database files, whatever surrounds them.
    stored: Regex,
}

impl IdentityMatcher {
    /// No match in a file is longer, so that files can be searched in overlapping chunks.
    pub const MAX_MATCH_BYTES: usize = 256;

    pub fn new(identities: &Identities) -> Self {
        let (mut written, mut stored) = (Vec::new(), Vec::new());
        for phone in identities.phones() {
            let mut spellings = vec![format!("(?:00|011|0)?{}", spaced(phone))];
            let national = recipient_number::national_digits(phone);
            if let Some(national) = national.filter(|digits| digits.len() >= MIN_NATIONAL_DIGITS) {
                spellings.push(format!("0?{}", spaced(&national)));
            }
            let spellings = spellings.join("|");
            written.push(format!("(?:^|[^0-9])(?:{spellings})(?:[^0-9]|$)"));
            stored.extend([phone.to_owned(), phone.chars().rev().collect()]);
        }
        for user_id in identities.user_ids() {
            let literal = regex::escape(user_id);
            written.push(format!("(?:^|[^0-9A-Za-z.]){literal}(?:[^0-9A-Za-z]|$)"));
            stored.push(literal);
        }
        let encoded: Vec<String> = identities
            .all
            .iter()
            .flat_map(|id| base64_forms(id))
            .collect();
        stored.extend(encoded.iter().cloned());
        Self {
            written: compile(&written.join("|")),
            encoded: compile(&encoded.join("|")),
            stored: compile(&stored.join("|")),
        }
    }

    /// Whether a text or a body names the customer, also inside the encodings that callbacks use.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        decodings(bytes).any(|decoded: Cow<'_, [u8]>| {
            self.written.is_match(&decoded) || self.encoded.is_match(&decoded)
        })
    }

    /// Whether these bytes of a file hold an id as databases store it, or in base64.
    pub fn is_stored_in(&self, bytes: &[u8]) -> bool {
        self.stored.is_match(bytes)
    }
}

/// A pattern for the digits with the separators that people write between them.
fn spaced(digits: &str) -> String {
    let digits: Vec<String> = digits.chars().map(String::from).collect();
    digits.join(SEPARATORS)
}

/// The base64 characters of a text at each of its three possible offsets in a group of bytes.
/// Digits are encoded without `+` and `/`, so both alphabets agree.
fn base64_forms(text: &str) -> Vec<String> {
    (0..3_usize)
        .map(|offset| {
            let bytes = [vec![0; offset], text.as_bytes().to_vec()].concat();
            let characters = STANDARD_NO_PAD.encode(&bytes);
            let first = (offset * 8).div_ceil(6);
            let whole = bytes.len() * 8 / 6;
            regex::escape(characters.get(first..whole).unwrap_or_default())
        })
        .filter(|needle| !needle.is_empty())
        .collect()
}

/// `pattern` must be made of escaped texts.
fn compile(pattern: &str) -> Regex {
    let compiled = RegexBuilder::new(pattern).unicode(false).build();
    #[expect(
        clippy::expect_used,
        reason = "digits and escaped texts, a few per customer, always compile"
    )]
    compiled.expect("a valid pattern")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::Write;

    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn matcher(ids: &[&str]) -> IdentityMatcher {
        IdentityMatcher::new(&Identities {
            all: ids.iter().map(ToString::to_string).collect::<BTreeSet<_>>(),
            former_numbers: 0,
        })
    }

    #[test]
    fn a_number_is_recognised_in_every_spelling() {
        let matcher = matcher(&["919876543210"]);
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(br#"{"to":"919876543210"}"#).unwrap();
        let spellings: Vec<Vec<u8>> = [
            "919876543210",
            "+919876543210",
            "+91 98765 43210",
            "(+91) 98765-43210",
            "00919876543210",
            "call 09876543210.",
            "98765 43210",
            "91+98765+43210",
            "+91 (98765) - 43210",
            "[98765] 43210",
            "91\u{ad}98765\u{200b}43210",
            "+91\u{2043}98765\u{ff0d}43210",
            "+९१ ९८७६५ ४३२१०",
            r#"{"to":"+91\t98765\n43210"}"#,
            r#"{"to":"91\/98765\/43210"}"#,
            "+91\u{a0}98765\u{2011}43210",
            "+91 98765 \u{2013} 43210",
            "\u{202a}+91\u{202f}98765\u{2009}43210\u{202c}",
            "text=%2B91%C2%A098765%E2%80%9143210",
            r#"{"to":"+91\u00a098765\u201143210"}"#,
            "to=%2B919876543210&x=1",
            "to=%20919876543210",
            r#"{"to":"\u002b9\u0031 98765 43210"}"#,
            "payload=%7B%22wa%22%3A%22919876543210%22%7D",
            "tel:+91-98765-43210",
            "919876543210@c.us",
            "wamid.HBgMOTE5ODc2NTQzMjEwFQIAERgS",
        ]
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .chain([
            packed.finish().unwrap(),
            STANDARD.encode("x919876543210y").into_bytes(),
            URL_SAFE_NO_PAD.encode("ab+919876543210").into_bytes(),
            "919876543210"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect(),
        ])
        .collect();
        for spelling in &spellings {
            let shown = String::from_utf8_lossy(spelling);
            assert!(matcher.matches(spelling), "{shown}");
        }
    }

    #[test]
    fn many_numbers_of_one_customer_are_recognised() {
        let numbers: Vec<String> = (0..100).map(|n| format!("9198765{n:05}")).collect();
        let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
        assert!(matcher(&numbers).matches(b"+91 98765 00099"));
    }

    #[test]
    fn other_numbers_are_not_recognised() {
        let matcher = matcher(&["919876543210"]);
        for other in [
            "919876543211",
            "9876543211",
            "19876543210",
            "98765432109",
            "+91 98765 4321",
            "wamid.HBgMOTE5ODc2NTQzMjExFQIAERgS",
            "1763640000",
            "",
        ] {
            assert!(!matcher.matches(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn files_are_searched_for_what_databases_store() {
        let matcher = matcher(&["919876543210"]);
        for bytes in ["x919876543210", "012345678919", "HBgMOTE5ODc2NTQzMjEwFQIA"] {
            assert!(matcher.is_stored_in(bytes.as_bytes()), "{bytes}");
        }
        assert!(!matcher.is_stored_in(b"91987654321"));
    }

    #[test]
    fn a_user_id_is_recognised_whole() {
        let matcher = matcher(&["IN.1234567890"]);
        assert!(matcher.matches(br#"{"user_id":"IN.1234567890"}"#));
        assert!(!matcher.matches(b"IN.123456789"));
    }
}
