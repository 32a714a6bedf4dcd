//! Masking of personal data in free text, ids and codes.

use crate::domain::ids::ProviderMessageId;
use crate::domain::phone::{self, PhoneNumber};
use crate::domain::phone_text::{ascii_digit, is_between_digits, is_date};
use crate::domain::scope::Visibility;

const WAMID: &str = "wamid.";
/// Numbers with fewer digits are codes, not phone numbers.
const MIN_PHONE_DIGITS: usize = 7;
/// Groups of digits or a code with at least this many digits are taken for a phone number.
const CERTAIN_PHONE_DIGITS: usize = 10;
/// Characters at the end of an id that are shown; fewer if they may be those of a phone number.
const SHOWN_TAIL: usize = 8;
const SHOWN_DIGITS: usize = 3;
/// Bytes that are searched for a date: the longest, and two that show whether it continues.
const DATE_WINDOW: usize = 12;

impl Visibility {
    /// Masks free text of a provider or operator, which may quote a number or an id.
    pub fn mask_text(self, text: &str) -> String {
        match self {
            Self::Full => text.to_owned(),
            Self::Masked => mask_numbers_and_wamids(text),
        }
    }

    /// Masks a failure code. Real codes have fewer digits than a phone number with its country code.
    pub fn mask_code(self, code: &str) -> String {
        let digits = code.bytes().filter(u8::is_ascii_digit).count();
        if digits < CERTAIN_PHONE_DIGITS && !code.contains(WAMID) {
            code.to_owned()
        } else {
            self.mask_text(code)
        }
    }

    /// A recipient as it is shown: a phone number with a `+`, however it is stored; masked, as
    /// [`mask_middle`] does it, without the `+`.
    pub fn mask_phone(self, text: &str) -> String {
        let digits = text.strip_prefix('+').unwrap_or(text);
        match self {
            Self::Masked => mask_middle(digits),
            Self::Full if phone::are_digits(digits) => format!("+{digits}"),
            Self::Full => text.to_owned(),
        }
    }

    /// Masks a provider id. A wamid decodes to the recipient's number; other ids hold no personal
    /// data.
    pub fn mask_id(self, id: &ProviderMessageId) -> String {
        match self {
            Self::Masked if id.is_wamid() => id.masked(),
            _ => id.as_str().to_owned(),
        }
    }
}

impl PhoneNumber {
    /// `9199•••••456`: masked, but distinguishable.
    pub fn masked(&self) -> String {
        mask_middle(self.digits())
    }
}

impl ProviderMessageId {
    /// `wamid.…` and the last eight characters: distinguishable, but not decodable to a phone
    /// number. Of digits, which may be those of a number, only the last three.
    pub fn masked(&self) -> String {
        let characters: Vec<char> = self.as_str().chars().collect();
        let last = |count: usize| &characters[characters.len().saturating_sub(count)..];
        let mut tail = last(SHOWN_TAIL);
        if tail.iter().filter(|c| c.is_ascii_digit()).count() >= MIN_PHONE_DIGITS {
            tail = last(SHOWN_DIGITS);
        }
        let tail: String = tail.iter().collect();
        if self.is_wamid() {
            format!("wamid.…{tail}")
        } else {
            format!("…{tail}")
        }
    }
}

/// Masks a possible phone number: of more than seven characters, the first four and last three
/// stay; a shorter text is masked entirely.
pub fn mask_middle(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= 7 {
        return "•".repeat(characters.len());
    }
    let hidden = characters.len() - 7;
    let head: String = characters[..4].iter().collect();
    let tail: String = characters[characters.len() - 3..].iter().collect();
    format!("{head}{}{tail}", "•".repeat(hidden))
}

/// Masks every phone number and wamid in a text.
pub fn mask_numbers_and_wamids(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, piece) = if rest.starts_with(WAMID) {
            let length = wamid_length(rest);
            (length, mask_wamid(&rest[..length]))
        } else if let Some(length) = date_length(rest) {
            (length, rest[..length].to_owned())
        } else if first == '+' || is_digit(first) {
            mask_number(rest)
        } else {
            (first.len_utf8(), first.to_string())
        };
        shown.push_str(&piece);
        rest = &rest[length..];
    }
    shown
}

/// The length of a wamid, also percent-encoded, without the full stop of a sentence.
fn wamid_length(text: &str) -> usize {
    let length = prefix_length(text, |c| c.is_ascii_alphanumeric() || "+/=_.-%".contains(c));
    text[..length].trim_end_matches(['.', '-']).len()
}

fn mask_wamid(wamid: &str) -> String {
    ProviderMessageId::parse_stored(wamid).map_or_else(|_| format!("{WAMID}…"), |id| id.masked())
}

/// The length of the number at the beginning of the text, and how it is shown: masked if it may be
/// a phone number. It may have several groups of digits.
fn mask_number(text: &str) -> (usize, String) {
    let sign = usize::from(text.starts_with('+'));
    let group_end = sign + prefix_length(&text[sign..], is_digit);
    let end = last_group_end(text, group_end);
    let digits: String = text[..end].chars().filter_map(ascii_digit).collect();
    let min_digits = if sign == 1 {
        MIN_PHONE_DIGITS
    } else {
        CERTAIN_PHONE_DIGITS
    };
    if digits.len() >= min_digits {
        return (end, mask_middle(&digits));
    }
    let group: String = text[..group_end].chars().filter_map(ascii_digit).collect();
    if group.len() >= MIN_PHONE_DIGITS {
        (group_end, mask_middle(&group))
    } else {
        (group_end, text[..group_end].to_owned())
    }
}

/// The end of the last group of digits of a number whose first group ends at `end`. A date is not a
/// part of it, nor is what follows the last digit: a space or a full stop of the sentence.
fn last_group_end(text: &str, mut end: usize) -> usize {
    loop {
        // Two lines have two numbers.
        let separators = prefix_length(&text[end..], |c| c != '\n' && is_between_digits(c));
        let next = end + separators;
        let digits = prefix_length(&text[next..], is_digit);
        let is_date = separators > 0 && date_length(&text[next..]).is_some();
        if digits == 0 || is_date {
            return end;
        }
        end = next + digits;
    }
}

/// The length of a date such as 2026-11-20 or 20/11/2026, which is not part of a number. A path may
/// continue after it.
fn date_length(text: &str) -> Option<usize> {
    let is_in_date = |c: char| c.is_ascii_digit() || "./-".contains(c);
    let start = &text[..text.floor_char_boundary(DATE_WINDOW)];
    let whole = &start[..prefix_length(start, is_in_date)];
    let whole = whole.trim_end_matches(['.', '/', '-']);
    let third_slash = whole.match_indices('/').nth(2).map(|(at, _)| at);
    let date = third_slash.map_or(whole, |at| &whole[..at]);
    is_date(date).then_some(date.len())
}

fn is_digit(c: char) -> bool {
    ascii_digit(c).is_some()
}

fn prefix_length(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_masked_number_shows_its_ends() {
        assert_eq!(
            PhoneNumber::parse("919970123456").unwrap().masked(),
            "9199•••••456"
        );
    }

    #[test]
    fn numbers_and_wamids_are_masked_and_codes_are_not() {
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
            ("12:00:05 2026-11-20", "12:00:05 2026-11-20"),
            ("131026 - 2026-11-20", "131026 - 2026-11-20"),
            ("at 20/11/2026 12:00:05", "at 20/11/2026 12:00:05"),
            ("2026-11-20 919970123456", "2026-11-20 9199•••••456"),
            ("131026, 131053", "131026, 131053"),
            ("since 20.11.2026 12:00:05.", "since 20.11.2026 12:00:05."),
            (
                "https://cdn.example/2026/11/20/12345.jpg",
                "https://cdn.example/2026/11/20/12345.jpg",
            ),
            ("131026\n131047", "131026\n131047"),
            ("2026-11-20-919970", "2026•••••••970"),
            ("91/99701/23456", "9199•••••456"),
            ("91\u{200b}99701\u{ad}23456", "9199•••••456"),
            ("+91 [99701] 23456", "9199•••••456"),
            ("91\t99701\t23456", "9199•••••456"),
            ("+९१ ९९७०१ २३४५६", "9199•••••456"),
            ("91\u{2014}99701\u{2014}23456", "9199•••••456"),
            ("wamid.X/919970123456 gone", "wamid.…456 gone"),
            ("after 5, 10 and 15 min", "after 5, 10 and 15 min"),
        ] {
            assert_eq!(mask_numbers_and_wamids(text), shown);
        }
    }

    #[test]
    fn codes_are_masked_only_if_they_may_be_numbers() {
        assert_eq!(Visibility::Masked.mask_code("2388001"), "2388001");
        assert_eq!(Visibility::Masked.mask_code("919970123456"), "9199•••••456");
        assert_eq!(Visibility::Full.mask_code("919970123456"), "919970123456");
    }

    #[test]
    fn only_wamids_are_masked_among_ids() {
        let id = |text: &str| ProviderMessageId::parse(text).unwrap();
        let wamid = id("wamid.HBgMOTE5OTcwMTIzNDU2FQIA");
        assert_eq!(Visibility::Masked.mask_id(&wamid), "wamid.…NDU2FQIA");
        assert_eq!(Visibility::Full.mask_id(&wamid), wamid.as_str());
        let other = id("6650aabbccddeeff00112233");
        assert_eq!(Visibility::Masked.mask_id(&other), other.as_str());
    }

    proptest! {
        #[test]
        fn every_spelling_of_a_number_is_masked(
            before in "[a-z ,:]{0,6}",
            separators in prop::collection::vec(prop::sample::select(vec!["", " ", "-", ".", "(", ") ", "/", "\u{2014}", "\u{2212}", "\u{200b}", "\t"]), 11),
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
                let shown = mask_numbers_and_wamids(&format!("{before}{plus}{number}{after}"));
                prop_assert_eq!(shown, format!("{before}9199•••••456{after}"));
            }
        }
    }
}
