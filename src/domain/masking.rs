//! Hiding people: inside texts that others wrote, in ids and codes.

use crate::domain::access::Visibility;
use crate::domain::ids::ProviderMessageId;
use crate::domain::phone::mask;

/// How a wamid begins wherever it stands in a text.
const WAMID: &str = "wamid.";
/// Fewer digits are a code, not a phone number.
const PHONE_DIGITS: usize = 7;
/// So many digits make a phone number of a text whose parts are separated, or of what is called a code.
const CERTAIN_DIGITS: usize = 10;
/// What people write between the digits of a number: spaces, hyphens and dashes of every kind, brackets, full stops.
const SEPARATORS: &str = " -().\u{a0}\u{2009}\u{202f}\u{2010}\u{2011}\u{2012}\u{2013}";

impl Visibility {
    /// Words of a provider or a person, which may quote a number or an id.
    pub fn words(self, text: &str) -> String {
        match self {
            Self::Full => text.to_owned(),
            Self::Masked => mask_quoted(text),
        }
    }

    /// A failure's code. Real ones have fewer digits than a phone number with its country code.
    pub fn code(self, code: &str) -> String {
        let digits = code.bytes().filter(u8::is_ascii_digit).count();
        if digits < CERTAIN_DIGITS && !code.contains(WAMID) {
            code.to_owned()
        } else {
            self.words(code)
        }
    }

    /// A provider's id of a message. A wamid decodes to the customer's number; other ids tell nothing of people.
    pub fn id(self, id: &ProviderMessageId) -> String {
        match self {
            Self::Masked if id.is_wamid() => id.masked(),
            _ => id.as_str().to_owned(),
        }
    }
}

/// A provider's words with every phone number and wamid in them masked.
pub fn mask_quoted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, piece) = if rest.starts_with(WAMID) {
            let length = wamid_length(rest);
            (length, mask_wamid(&rest[..length]))
        } else if let Some(length) = date_length(rest) {
            (length, rest[..length].to_owned())
        } else if first == '+' || first.is_ascii_digit() {
            mask_number(rest)
        } else {
            (first.len_utf8(), first.to_string())
        };
        shown.push_str(&piece);
        rest = &rest[length..];
    }
    shown
}

/// A wamid, also percent-encoded; the full stop of a sentence is no part of it.
fn wamid_length(text: &str) -> usize {
    let length = length_of(text, |c| c.is_ascii_alphanumeric() || "+/=_.-%".contains(c));
    text[..length].trim_end_matches(['.', '-']).len()
}

fn mask_wamid(wamid: &str) -> String {
    ProviderMessageId::parse(wamid).map_or_else(|_| format!("{WAMID}…"), |id| id.masked())
}

/// The longest reading of the text's beginning as a number, and what is shown of it.
fn mask_number(text: &str) -> (usize, String) {
    let sign = usize::from(text.starts_with('+'));
    let belongs = |c: char| c.is_ascii_digit() || SEPARATORS.contains(c);
    let apart = sign + length_of(&text[sign..], belongs);
    // What follows the last digit (a space, a full stop) belongs to the sentence.
    let apart = text[..apart]
        .rfind(|c: char| c.is_ascii_digit())
        .map_or(sign, |at| at + 1);
    let together = sign + length_of(&text[sign..], |c| c.is_ascii_digit());
    let digits: String = text[..apart].chars().filter(char::is_ascii_digit).collect();
    let enough = if sign == 1 {
        PHONE_DIGITS
    } else {
        CERTAIN_DIGITS
    };
    if digits.len() >= enough {
        return (apart, mask(&digits));
    }
    let whole = &text[..together];
    if together - sign >= PHONE_DIGITS {
        (together, mask(&whole[sign..]))
    } else {
        (together, whole.to_owned())
    }
}

/// A day such as 2026-11-20 is no part of a number.
fn date_length(text: &str) -> Option<usize> {
    const LENGTH: usize = 10;
    let day = text.get(..LENGTH)?;
    let more = text[LENGTH..].starts_with(|c: char| c.is_ascii_digit() || c == '-');
    let is_day = chrono::NaiveDate::parse_from_str(day, "%Y-%m-%d").is_ok();
    (is_day && day.starts_with("20") && !more).then_some(LENGTH)
}

fn length_of(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_and_wamids_are_hidden_and_codes_stay() {
        for (text, shown) in [
            (
                "to 919970123456, code 131026.",
                "to 9199•••••456, code 131026.",
            ),
            ("+91 99701 23456. Gone", "9199•••••456. Gone"),
            ("to 91-99701-23456 (gone)", "to 9199•••••456 (gone)"),
            ("91 (99701) 23456", "9199•••••456"),
            ("+91\u{a0}99701\u{2011}23456", "9199•••••456"),
            ("+4912345", "•••••••"),
            (
                "(wamid.HBgMOTE5OTcwMTIzNDU2FQIA) gone",
                "(wamid.…NDU2FQIA) gone",
            ),
            ("wamid.HBgM%2BOTE5OTcwFQIA. Gone", "wamid.…OTcwFQIA. Gone"),
            ("héllo + 5 ✓", "héllo + 5 ✓"),
            (
                "since 2026-11-20 12:00:05 UTC",
                "since 2026-11-20 12:00:05 UTC",
            ),
            ("131026 131053", "131026 131053"),
            ("after 5, 10 and 15 min", "after 5, 10 and 15 min"),
        ] {
            assert_eq!(mask_quoted(text), shown);
        }
    }

    #[test]
    fn codes_stay_unless_they_are_numbers() {
        assert_eq!(Visibility::Masked.code("2388001"), "2388001");
        assert_eq!(Visibility::Masked.code("919970123456"), "9199•••••456");
        assert_eq!(Visibility::Full.code("919970123456"), "919970123456");
    }

    #[test]
    fn of_ids_only_wamids_are_hidden() {
        let id = |text: &str| ProviderMessageId::parse(text).unwrap();
        let wamid = id("wamid.HBgMOTE5OTcwMTIzNDU2FQIA");
        assert_eq!(Visibility::Masked.id(&wamid), "wamid.…NDU2FQIA");
        assert_eq!(Visibility::Full.id(&wamid), wamid.as_str());
        let other = id("6650aabbccddeeff00112233");
        assert_eq!(Visibility::Masked.id(&other), other.as_str());
    }

    proptest! {
        #[test]
        fn no_spelling_of_a_number_comes_through(
            before in "[a-z ,:]{0,6}",
            separators in prop::collection::vec(prop::sample::select(vec!["", " ", "-", ".", "(", ") "]), 11),
            after in "[ .,a-z]{0,4}",
        ) {
            let digits = "919970123456";
            let mut number = String::new();
            for (place, digit) in digits.chars().enumerate() {
                if place > 0 {
                    number.push_str(separators[place - 1]);
                }
                number.push(digit);
            }
            for plus in ["", "+"] {
                let shown = mask_quoted(&format!("{before}{plus}{number}{after}"));
                prop_assert_eq!(shown, format!("{before}9199•••••456{after}"));
            }
        }
    }
}
