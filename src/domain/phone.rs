//! Phone numbers in international format.

use std::fmt;
use std::ops::RangeInclusive;

use crate::domain::phone_text::{BadPhoneNumber, NumberStart, PhoneText};

/// Digits of an international number, country code included.
pub const NUMBER_DIGITS: RangeInclusive<usize> = 7..=15;
/// A number with fewer digits and without `+` is taken for a national one.
pub const MIN_DIGITS_WITHOUT_PLUS: usize = 11;

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
            length if written.start == NumberStart::Unknown && length < MIN_DIGITS_WITHOUT_PLUS => {
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
}
