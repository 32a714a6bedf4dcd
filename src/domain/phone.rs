//! Phone numbers in international form.

use std::fmt;

use thiserror::Error;

/// A text that is not a complete international phone number.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BadPhoneNumber {
    /// Nothing was given.
    #[error("is empty")]
    Empty,
    /// A character that no phone number has.
    #[error("has the character `{0}`; use digits, spaces, - ( ) . and one leading +")]
    Character(char),
    /// Too short to carry a country code, and no `+` says that it does.
    #[error("write the country code")]
    NoCountryCode,
    /// Outside 7 to 15 digits.
    #[error("has {0} digits; an international number has 7 to 15")]
    Length(usize),
    /// No country code begins with zero.
    #[error("begins with 0; write the country code")]
    LeadingZero,
}

/// An international number: 7 to 15 digits, country code first. Printed masked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber(String);

impl PhoneNumber {
    /// Reads a number with country code; `+` and separators are allowed, and without `+` at least 11 digits are needed.
    pub fn parse(text: &str) -> Result<Self, BadPhoneNumber> {
        let text = text.trim();
        let (plus, rest) = match text.strip_prefix('+') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if let Some(odd) = rest
            .chars()
            .find(|c| !(c.is_ascii_digit() || matches!(c, ' ' | '-' | '(' | ')' | '.' | '\u{a0}')))
        {
            return Err(BadPhoneNumber::Character(odd));
        }
        let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
        match digits.len() {
            0 => Err(BadPhoneNumber::Empty),
            _ if digits.starts_with('0') => Err(BadPhoneNumber::LeadingZero),
            length if !plus && length < 11 => Err(BadPhoneNumber::NoCountryCode),
            length if !(7..=15).contains(&length) => Err(BadPhoneNumber::Length(length)),
            _ => Ok(Self(digits)),
        }
    }

    /// The digits alone, country code first: `919970123456`.
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// The form with a leading `+`.
    pub fn e164(&self) -> String {
        format!("+{}", self.0)
    }

    /// `9199•••••456`: who may not see the number can still tell two apart.
    pub fn masked(&self) -> String {
        mask(&self.0)
    }
}

/// Masks anything that may be a phone number: the first four and last three characters stay when there are more than seven.
pub fn mask(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= 7 {
        return "•".repeat(characters.len());
    }
    let hidden = characters.len() - 7;
    let head: String = characters[..4].iter().collect();
    let tail: String = characters[characters.len() - 3..].iter().collect();
    format!("{head}{}{tail}", "•".repeat(hidden))
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
    fn a_masked_number_shows_its_ends() {
        assert_eq!(
            PhoneNumber::parse("919970123456").unwrap().masked(),
            "9199•••••456"
        );
    }
}
