//! A phone number as people type and paste it: separators, invisible characters, digits of other
//! scripts, `tel:` and links of WhatsApp.
//!
//! Which digits are a country code or a trunk prefix is decided with numbering plans, in
//! `sending::recipient_number`.

use std::ops::RangeInclusive;

use thiserror::Error;

use crate::domain::invisible_characters::{describe, is_blank, trim};

#[derive(Debug, Error, PartialEq, Eq)]
pub enum BadPhoneNumber {
    #[error("is empty")]
    Empty,
    #[error("has the character {}; use digits, spaces, - ( ) . / and one leading +", describe(*.0))]
    Character(char),
    /// WhatsApp's id of a customer within one business.
    #[error("is a WhatsApp user id, not a phone number; write the customer's number")]
    UserId,
    /// Too short to include a country code, and without `+`.
    #[error("write the country code")]
    NoCountryCode,
    #[error("has {0} digits; an international number has 7 to 15")]
    Length(usize),
    #[error("begins with 0; write the country code")]
    LeadingZero,
    /// Such as that of another column of a spreadsheet.
    #[error("looks like a date, not a phone number")]
    Date,
}

/// A number as it was written; no numbering plan is applied. Without `Debug`: numbers are not
/// logged.
#[derive(Clone, PartialEq, Eq)]
pub struct PhoneText {
    /// All digits in their order, `0` to `9`.
    pub digits: String,
    pub start: NumberStart,
    /// The index in `digits` of the zero of a `(0)`, which is dialled only inside the country.
    pub bracketed_zero: Option<usize>,
}

/// What the first digits are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NumberStart {
    /// Written after `+`, or in a link that takes only international numbers.
    CountryCode,
    Unknown,
}

/// The most digits in any notation of a phone number: 15, a prefix and trunk digits.
const DIGIT_LIMIT: usize = 24;

impl PhoneText {
    /// Accepts 1 to 24 digits.
    pub fn parse(text: &str) -> Result<Self, BadPhoneNumber> {
        let (number, mut start) = unwrap_link(text);
        if is_date(&number) {
            return Err(BadPhoneNumber::Date);
        }
        let number = without_decimals(&number);
        let mut digits = String::new();
        let mut bracketed_zero = None;
        // The last three characters that were not skipped, to recognise `(0)`.
        let mut last = [' '; 3];
        for c in number.chars() {
            let c = match ascii_digit(c) {
                Some(digit) => {
                    digits.push(digit);
                    digit
                }
                None if is_plus(c) && digits.is_empty() => {
                    start = NumberStart::CountryCode;
                    continue;
                }
                None if is_blank(c) => continue,
                None if is_separator(c) => to_ascii_separator(c),
                None if is_user_id(number) => return Err(BadPhoneNumber::UserId),
                None => return Err(BadPhoneNumber::Character(c)),
            };
            last = [last[1], last[2], c];
            if last == ['(', '0', ')'] {
                bracketed_zero = Some(digits.len() - 1);
            }
        }
        match digits.len() {
            0 => Err(BadPhoneNumber::Empty),
            length if length > DIGIT_LIMIT => Err(BadPhoneNumber::Length(length)),
            _ => Ok(Self {
                digits,
                start,
                bracketed_zero,
            }),
        }
    }

    /// The digits without the zero of a `(0)`.
    pub fn without_bracketed_zero(&self) -> Option<String> {
        let mut digits = self.digits.clone();
        digits.remove(self.bracketed_zero?);
        Some(digits)
    }
}

/// Whether a text is a business-scoped user id, `IN.1234567890`, or one of a portfolio,
/// `IN.ENT.1234567890`.
pub fn is_user_id(text: &str) -> bool {
    let Some((country, id)) = text.split_once('.') else {
        return false;
    };
    let id = id.strip_prefix("ENT.").unwrap_or(id);
    country.len() == 2
        && country.bytes().all(|byte| byte.is_ascii_alphabetic())
        && id.len() >= 5
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A user id with its country in capitals; `None` if the text is not a user id.
pub fn parse_user_id(text: &str) -> Option<String> {
    let (country, id) = text.split_once('.').filter(|_| is_user_id(text))?;
    Some(format!("{}.{id}", country.to_ascii_uppercase()))
}

/// Hosts of links to a chat; the number is in the path or in `phone=`.
const CHAT_HOSTS: [&str; 4] = [
    "wa.me/",
    "www.wa.me/",
    "api.whatsapp.com/",
    "web.whatsapp.com/",
];
/// The suffixes of WhatsApp's chat ids, which contain the customer's number.
const CHAT_ID_SUFFIXES: [&str; 2] = ["@s.whatsapp.net", "@c.us"];
const NUMBER_SCHEMES: [&str; 5] = ["tel:", "callto:", "sms:", "smsto:", "whatsapp:"];

/// The number inside a link, or the text itself.
fn unwrap_link(text: &str) -> (String, NumberStart) {
    // `="491701234567"` is how spreadsheets keep a number from being calculated.
    const PASTED: &[char] = &['"', '\'', '“', '”', '‘', '’', '<', '>', ',', ';', '='];
    let text = trim(text).trim_matches(PASTED);
    let text = trim(text);
    let chat = ["https://", "http://"]
        .iter()
        .find_map(|scheme| strip_prefix(text, scheme))
        .unwrap_or(text);
    let chat_path = CHAT_HOSTS
        .iter()
        .find_map(|host| strip_prefix(chat, host))
        .or_else(|| strip_prefix(text, "whatsapp://"));
    if let Some(path) = chat_path {
        let number =
            parameter(path, "phone=", ['?', '&']).unwrap_or_else(|| before_any(path, "?#/"));
        return (decode(number), NumberStart::CountryCode);
    }
    if let Some(id) = CHAT_ID_SUFFIXES
        .iter()
        .find_map(|suffix| text.strip_suffix(suffix))
    {
        return (id.to_owned(), NumberStart::CountryCode);
    }
    let Some(number) = NUMBER_SCHEMES
        .iter()
        .find_map(|scheme| strip_prefix(text, scheme))
    else {
        return (
            without_label(&decode(text)).to_owned(),
            NumberStart::Unknown,
        );
    };
    let context = parameter(number, "phone-context=", [';', ';'])
        .map(decode)
        .filter(|context| context.starts_with('+'))
        .unwrap_or_default();
    let number = decode(before_any(number.trim_start_matches('/'), ";?"));
    if number.trim_start().starts_with('+') {
        (number, NumberStart::Unknown)
    } else {
        (context + &number, NumberStart::Unknown)
    }
}

/// Without a label before the `+`, as `Tel.: +49 170 1234567`, and without a name after a comma.
fn without_label(text: &str) -> &str {
    let has_digit = |part: &str| part.chars().any(|c| ascii_digit(c).is_some());
    let start = text
        .find(is_plus)
        .filter(|start| !has_digit(&text[..*start]));
    let number = &text[start.unwrap_or_default()..];
    match number.split_once([',', ';']) {
        Some((number, name)) if has_digit(number) && !has_digit(name) => number,
        _ => number,
    }
}

/// Spreadsheets and data frames write a number as a decimal, `491701234567.0`. The zeros are not
/// part of it.
fn without_decimals(number: &str) -> &str {
    let Some((whole, decimals)) = number.trim_end().rsplit_once(['.', ',']) else {
        return number;
    };
    let digits = whole.trim().trim_start_matches('+');
    let is_decimal = digits.len() >= 7
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && matches!(decimals, "0" | "00");
    if is_decimal { whole } else { number }
}

/// Whether a text is a day such as `30.11.2026`, `11/30/2026` or `2026-11-30`.
pub fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.trim().split(['.', '/', '-']).collect();
    let [first, second, third] = parts.as_slice() else {
        return false;
    };
    let is_between = |part: &str, longest: usize, range: RangeInclusive<u32>| {
        part.len() <= longest && part.parse().is_ok_and(|number| range.contains(&number))
    };
    let is_year = |part: &str| part.len() == 4 && is_between(part, 4, 1900..=2099);
    let is_day = |part: &str| is_between(part, 2, 1..=31);
    is_day(second) && (is_year(first) && is_day(third) || is_day(first) && is_year(third))
}

/// The value of a parameter that follows one of two separators.
fn parameter<'a>(text: &'a str, name: &str, separators: [char; 2]) -> Option<&'a str> {
    text.split(separators)
        .skip(1)
        .find_map(|pair| strip_prefix(pair, name))
}

/// The text before the first of these characters.
fn before_any<'a>(text: &'a str, characters: &str) -> &'a str {
    text.split(|c| characters.contains(c))
        .next()
        .unwrap_or_default()
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Decodes the percent-encodings that occur in links to numbers.
fn decode(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    [
        ("%2B", "+"),
        ("%2b", "+"),
        ("%20", " "),
        ("%28", "("),
        ("%29", ")"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (encoded, plain)| {
        text.replace(encoded, plain)
    })
}

fn is_plus(c: char) -> bool {
    matches!(c, '+' | '＋' | '﹢')
}

/// Whether people write this character between two digits of a number.
pub fn is_between_digits(c: char) -> bool {
    is_separator(c) || is_blank(c)
}

fn is_separator(c: char) -> bool {
    matches!(
        to_ascii_separator(c),
        '-' | '(' | ')' | '.' | '/' | '[' | ']' | '~'
    )
}

/// The ASCII form of brackets, dots, slashes and the many dashes.
fn to_ascii_separator(c: char) -> char {
    match c {
        '（' | '﹙' => '(',
        '）' | '﹚' => ')',
        '．' => '.',
        '／' => '/',
        '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}' | '\u{30fc}' | '﹘' | '﹣' | '－' => {
            '-'
        }
        other => other,
    }
}

/// The digit zero of every other script in use; its other nine digits follow it.
const ZEROS: [char; 20] = [
    '\u{660}', '\u{6f0}', '\u{7c0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{b66}',
    '\u{be6}', '\u{c66}', '\u{ce6}', '\u{d66}', '\u{de6}', '\u{e50}', '\u{ed0}', '\u{f20}',
    '\u{1040}', '\u{17e0}', '\u{1810}', '\u{ff10}',
];

/// The ASCII digit of a digit of any script.
pub fn ascii_digit(c: char) -> Option<char> {
    let zero = ZEROS.iter().copied().chain(['0']).find(|zero| {
        u32::from(c)
            .checked_sub(u32::from(*zero))
            .is_some_and(|value| value < 10)
    })?;
    char::from_digit(u32::from(c) - u32::from(zero), 10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn international(text: &str) -> String {
        let read = PhoneText::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(read.start, NumberStart::CountryCode, "{text}");
        read.digits
    }

    #[test]
    fn links_and_ids_of_a_chat_hold_an_international_number() {
        for text in [
            "https://wa.me/919971310001",
            "wa.me/919971310001?text=Hello%20there",
            "HTTPS://WA.ME/+919971310001/",
            "https://api.whatsapp.com/send?phone=919971310001&text=1",
            "https://api.whatsapp.com/send/?text=1&phone=%2B919971310001",
            "whatsapp://send?phone=919971310001",
            "whatsapp:+919971310001",
            "tel:+91-99713-10001",
            "tel:%2B91-99713-10001;ext=5",
            "\"+91 99713 10001\", ",
            "+91 99713 10001;",
            "TEL://+91(99713)10001",
            "tel:99713-10001;phone-context=+91",
            "=\"+919971310001\"",
            "%2B919971310001",
            "Tel.: +91 99713-10001",
            "\u{1f4f1} +91 99713-10001",
            "+91 99713 10001, Asha",
            "919971310001@s.whatsapp.net",
            "919971310001@c.us",
        ] {
            assert_eq!(international(text), "919971310001", "{text}");
        }
    }

    #[test]
    fn digits_of_every_script_count() {
        assert_eq!(international("＋９１ ９９７１３ १०००१"), "919971310001");
        assert_eq!(international("+٩١٩٩٧١٣١٠٠٠١"), "919971310001");
    }

    #[test]
    fn the_zero_in_brackets_is_known() {
        let read = PhoneText::parse("+44 ( 0 ) 7700").ok();
        let without = read.as_ref().and_then(PhoneText::without_bracketed_zero);
        assert_eq!(without.as_deref(), Some("447700"));
        let read = PhoneText::parse("+44 (07700)").ok().unwrap();
        assert_eq!(read.bracketed_zero, None);
    }

    #[test]
    fn decimals_of_a_spreadsheet_are_not_digits_of_the_number() {
        for (text, digits) in [
            ("491701234567.0", "491701234567"),
            ("491701234567.00", "491701234567"),
            ("+491701234567,0", "491701234567"),
            ("4917012345670", "4917012345670"),
            ("170.12.34.50.00", "17012345000"),
            ("0170 1234560.5", "017012345605"),
        ] {
            let read = PhoneText::parse(text).ok().map(|read| read.digits);
            assert_eq!(read.as_deref(), Some(digits), "{text}");
        }
    }

    #[test]
    fn a_date_is_not_a_number() {
        for text in ["30.11.2026", "11/30/2026", "2026-11-30", "1-2-1999"] {
            assert_eq!(
                PhoneText::parse(text).err(),
                Some(BadPhoneNumber::Date),
                "{text}"
            );
        }
        for text in ["030.11.2026", "30.11.2126", "12.34.5678", "20.11.20.26"] {
            assert!(PhoneText::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn other_texts_are_not_numbers() {
        for (text, error) in [
            ("", BadPhoneNumber::Empty),
            ("\u{200e}+ ", BadPhoneNumber::Empty),
            ("wa.me/message/ABC", BadPhoneNumber::Character('m')),
            ("91+99", BadPhoneNumber::Character('+')),
            ("1234567890123456789012345", BadPhoneNumber::Length(25)),
        ] {
            assert_eq!(PhoneText::parse(text).err(), Some(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn marks_and_separators_change_nothing(
            // `.0` at the end would be decimals.
            digits in "[1-9][0-9]{5,13}[1-9]",
            marks in proptest::collection::vec(
                prop_oneof![
                    Just('\u{202a}'), Just('\u{202c}'), Just('\u{200e}'), Just('\u{200f}'),
                    Just('\u{2060}'), Just('\u{200b}'), Just('\u{feff}'), Just('\u{2066}'),
                    Just('\u{ad}'), Just('\u{2011}'), Just('\u{202f}'), Just('\u{a0}'),
                    Just('\u{3000}'), Just('\t'), Just(' '), Just('-'), Just('.'), Just('/'),
                ],
                0..40,
            ),
            places in proptest::collection::vec(0_usize..17, 40),
        ) {
            let mut written: Vec<char> = format!("+{digits}").chars().collect();
            for (mark, place) in marks.into_iter().zip(places) {
                written.insert(place.min(written.len()), mark);
            }
            let written: String = written.into_iter().collect();
            let read = PhoneText::parse(&written);
            prop_assert!(read.is_ok(), "{:?}", written);
            if let Ok(read) = read {
                prop_assert_eq!(read.digits, digits);
                prop_assert_eq!(read.start, NumberStart::CountryCode);
            }
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in any::<String>()) {
            let _ = PhoneText::parse(&text);
        }
    }
}
