//! Phone numbers in international format.

use std::fmt;
use std::ops::RangeInclusive;

use crate::domain::phone_text::{BadPhoneNumber, NumberStart, PhoneText};

/// Digits of an international number, country code included.
pub const NUMBER_DIGITS: RangeInclusive<usize> = 7..=15;
/// A number with fewer digits and without `+` is taken for a national one.
pub const LEAST_DIGITS_WITHOUT_PLUS: usize = 11;

/// An international number: 7 to 15 digits, country code first. `Debug` masks it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber(String);

impl PhoneNumber {
    /// Parses a number with country code. Without `+`, at least 11 digits are required. Trunk
    /// prefixes are not removed.
    pub fn parse(text: &str) -> Result<Self, BadPhoneNumber> {
        let written = PhoneText::parse(text)?;
        match written.digits.len() {
            _ if written.digits.starts_with('0') => Err(BadPhoneNumber::LeadingZero),
            length
                if written.start == NumberStart::Unknown && length < LEAST_DIGITS_WITHOUT_PLUS =>
            {
                Err(BadPhoneNumber::NoCountryCode)
            }
            length if !NUMBER_DIGITS.contains(&length) => Err(BadPhoneNumber::Length(length)),
            _ => Ok(Self(written.digits)),
        }
    }

    /// `919970123456`
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// `+919970123456`
    pub fn e164(&self) -> String {
        format!("+{}", self.0)
    }
}

/// Whether these are the digits of an international number, without `+`.
pub fn are_digits(text: &str) -> bool {
    NUMBER_DIGITS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A country whose mobile numbers are written with and without an extra digit: Brazil's ninth
/// digit, Argentina's 9, Mexico's 1.
struct Infix {
    country: &'static str,
    /// Digits of the area code before the extra digit.
    area: usize,
    digit: char,
    /// Digits after the country code without the extra digit.
    length: usize,
    /// Valid first digits after the area code.
    first: &'static str,
}

/// Brazil's landlines begin with 2 to 5 and have no ninth digit.
const INFIXES: [Infix; 3] = [
    Infix {
        country: "55",
        area: 2,
        digit: '9',
        length: 10,
        first: "6789",
    },
    Infix {
        country: "54",
        area: 0,
        digit: '9',
        length: 10,
        first: "123456789",
    },
    Infix {
        country: "52",
        area: 0,
        digit: '1',
        length: 10,
        first: "123456789",
    },
];

/// All spellings of a recipient, the given one first.
///
/// WhatsApp's id of a Brazilian, Argentinian or Mexican number can have one digit more or less than
/// the dialled number.
pub fn spellings(recipient: &str) -> Vec<String> {
    let other = INFIXES.iter().find_map(|infix| infix.other(recipient));
    std::iter::once(recipient.to_owned()).chain(other).collect()
}

/// Whether two texts name the same recipient. Anything but a phone number is compared exactly.
pub fn is_same_recipient(one: &str, other: &str) -> bool {
    one == other
        || INFIXES
            .iter()
            .any(|infix| infix.other(one).as_deref() == Some(other))
}

impl Infix {
    /// The number with the extra digit added or removed.
    fn other(&self, recipient: &str) -> Option<String> {
        let national = recipient.strip_prefix(self.country)?;
        if !national.bytes().all(|byte| byte.is_ascii_digit()) || national.len() < self.length {
            return None;
        }
        let (area, number) = national.split_at(self.area);
        let may_begin = |number: &str| number.starts_with(|c| self.first.contains(c));
        let other = match national.len() - self.length {
            0 if may_begin(number) => format!("{}{number}", self.digit),
            1 => number
                .strip_prefix(self.digit)
                .filter(|number| may_begin(number))?
                .to_owned(),
            _ => return None,
        };
        Some(format!("{}{area}{other}", self.country))
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_and_plus_are_allowed() {
        assert_eq!(
            PhoneNumber::parse("+91 (99701) 234-56").unwrap().digits(),
            "919970123456"
        );
        assert_eq!(
            PhoneNumber::parse("919970123456").unwrap().e164(),
            "+919970123456"
        );
    }

    #[test]
    fn a_short_number_without_plus_asks_for_the_country_code() {
        assert_eq!(
            PhoneNumber::parse("9970123456"),
            Err(BadPhoneNumber::NoCountryCode)
        );
        assert_eq!(
            PhoneNumber::parse("09970123456"),
            Err(BadPhoneNumber::LeadingZero)
        );
    }

    #[test]
    fn letters_and_overlong_numbers_are_refused() {
        assert_eq!(
            PhoneNumber::parse("+91x"),
            Err(BadPhoneNumber::Character('x'))
        );
        assert_eq!(
            PhoneNumber::parse("+1234567890123456"),
            Err(BadPhoneNumber::Length(16))
        );
    }

    #[test]
    fn brazil_argentina_and_mexico_have_two_spellings_of_one_number() {
        for (short, long) in [
            ("551187654321", "5511987654321"),
            ("541123456789", "5491123456789"),
            ("525512345678", "5215512345678"),
        ] {
            assert_eq!(spellings(short), [short, long]);
            assert_eq!(spellings(long), [long, short]);
            assert!(is_same_recipient(short, long) && is_same_recipient(long, short));
        }
    }

    #[test]
    fn similar_numbers_are_different_recipients() {
        for (one, other) in [
            // A landline of São Paulo has no ninth digit.
            ("551132654321", "5511932654321"),
            ("551187654321", "5511887654321"),
            ("919970123456", "9199970123456"),
            ("5511987654321", "5511987654322"),
            ("52155", "5255"),
            ("US.5215512345678", "US.525512345678"),
        ] {
            assert!(!is_same_recipient(one, other), "{one} {other}");
            assert!(!is_same_recipient(other, one), "{one} {other}");
        }
        for alone in ["447700900123", "US.13491208655", "", "55", "55é1187654321"] {
            assert_eq!(spellings(alone), [alone]);
        }
    }
}
