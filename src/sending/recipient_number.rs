//! Parses a recipient's number as people write it: with trunk zeros, international prefixes, or
//! national where the account has a default country.

use thiserror::Error;

use crate::domain::phone::{MIN_DIGITS_WITHOUT_PLUS, NUMBER_DIGITS, PhoneNumber};
use crate::domain::phone_text::{BadPhoneNumber, NumberStart, PhoneText};
use crate::sending::numbering_plan::{
    InternationalNumber, NotInternational, after_international_prefix, read_international,
    read_national,
};

#[derive(Debug, Error, PartialEq, Eq)]
pub enum BadRecipient {
    #[error(transparent)]
    Text(#[from] BadPhoneNumber),
    #[error("begins with no country code that exists")]
    UnknownCountryCode,
    #[error("is not possible in the numbering plan of +{0}")]
    NotAllowed(u16),
    /// A national number of the default country, and at the same time one of another country.
    #[error("can be a national or an international number; write + and the country code")]
    Ambiguous,
}

/// `country` (ISO 3166, `IN`) is the account's default country.
pub fn parse(text: &str, country: Option<&str>) -> Result<PhoneNumber, BadRecipient> {
    let written = PhoneText::parse(text)?;
    let number = if written.start == NumberStart::CountryCode {
        parse_international(&written)?
    } else {
        parse_without_plus(&written, country)?
    };
    Ok(PhoneNumber::parse(&format!("+{}", number.digits()))?)
}

/// A number in a search or a URL, where it is international even without `+`. A number that no
/// numbering plan allows stays as it was written.
pub fn parse_stored(text: &str) -> Result<PhoneNumber, BadPhoneNumber> {
    let written = PhoneText::parse(text)?;
    let as_written = format!("+{}", written.digits);
    parse(text, None)
        .or_else(|_| parse(&as_written, None))
        .or_else(|_| PhoneNumber::parse(&as_written))
}

/// The digits of an international number without its country code.
pub fn national_digits(digits: &str) -> Option<String> {
    let number = read_international(digits, None).ok()?;
    Some(number.national)
}

fn parse_international(written: &PhoneText) -> Result<InternationalNumber, BadRecipient> {
    let digits = written.digits.as_str();
    // `+0091 …` has both.
    if let Some(number) = parse_prefixed(written, None) {
        return Ok(number);
    }
    read_international(digits, written.without_bracketed_zero().as_deref())
        .map_err(|error| to_bad_recipient(error, digits))
}

/// A number after an international prefix. Prefixes can be read in several ways (`00` and `0011`);
/// a number in use is preferred.
fn parse_prefixed(written: &PhoneText, country: Option<&str>) -> Option<InternationalNumber> {
    let digits = written.digits.as_str();
    let without_zero = written.without_bracketed_zero();
    let numbers: Vec<InternationalNumber> = after_international_prefix(digits, country)
        .into_iter()
        .filter_map(|rest| {
            let prefix_length = digits.len() - rest.len();
            let without_zero = without_zero
                .as_deref()
                .and_then(|digits| digits.get(prefix_length..));
            read_international(rest, without_zero).ok()
        })
        .collect();
    let assigned = numbers.iter().find(|number| number.is_assigned());
    assigned.or(numbers.first()).cloned()
}

fn parse_without_plus(
    written: &PhoneText,
    country: Option<&str>,
) -> Result<InternationalNumber, BadRecipient> {
    let digits = written.digits.as_str();
    let national = country.and_then(|country| read_national(digits, country));
    let unmarked = read_international(digits, written.without_bracketed_zero().as_deref());
    let prefixed = parse_prefixed(written, country);
    // Where a country's international prefix does not begin with a zero, such as Chad's 16, a number
    // may begin with the same digits.
    if let (Some(prefixed), Ok(unmarked)) = (&prefixed, &unmarked)
        && prefixed != unmarked
    {
        return Err(BadRecipient::Ambiguous);
    }
    let international = prefixed.or_else(|| {
        let number = unmarked.as_ref().ok()?;
        let is_short = digits.len() < MIN_DIGITS_WITHOUT_PLUS;
        let counts = !is_short || (national.is_some() && number.is_assigned());
        counts.then(|| number.clone())
    });
    match (national, international) {
        (Some(national), Some(international)) => choose(national, international, digits),
        (Some(number), None) | (None, Some(number)) => Ok(number),
        (None, None) if digits.starts_with('0') => Err(BadPhoneNumber::LeadingZero.into()),
        (None, None) if digits.len() < MIN_DIGITS_WITHOUT_PLUS => {
            Err(BadPhoneNumber::NoCountryCode.into())
        }
        (None, None) => Err(match unmarked {
            Err(error) => to_bad_recipient(error, digits),
            Ok(number) => BadRecipient::NotAllowed(number.country_code),
        }),
    }
}

/// Chooses the reading whose number is in use, if only one is. Short digits are never read as an
/// international number if the national plan allows them.
fn choose(
    national: InternationalNumber,
    international: InternationalNumber,
    digits: &str,
) -> Result<InternationalNumber, BadRecipient> {
    if national == international {
        return Ok(national);
    }
    let is_long = digits.len() >= MIN_DIGITS_WITHOUT_PLUS;
    match (national.is_assigned(), international.is_assigned()) {
        // Plans with landlines of any length, such as Germany's, contain most of the world's
        // numbers. Without its trunk prefix such a number is ambiguous.
        (true, false) if is_long && national.national == digits && !national.is_mobile() => {
            Err(BadRecipient::Ambiguous)
        }
        (true, false) => Ok(national),
        (false, true) if is_long => Ok(international),
        _ => Err(BadRecipient::Ambiguous),
    }
}

/// Reports a wrong number of digits rather than a number outside the plan.
fn to_bad_recipient(error: NotInternational, digits: &str) -> BadRecipient {
    match (error, digits.len()) {
        (_, length) if !NUMBER_DIGITS.contains(&length) => BadPhoneNumber::Length(length).into(),
        _ if digits.starts_with('0') => BadPhoneNumber::LeadingZero.into(),
        (NotInternational::UnknownCountryCode, _) => BadRecipient::UnknownCountryCode,
        (NotInternational::NotAllowed(code), _) => BadRecipient::NotAllowed(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str, country: Option<&str>) -> String {
        match parse(text, country) {
            Ok(number) => number.digits().to_owned(),
            Err(error) => panic!("{text}: {error}"),
        }
    }

    #[test]
    fn a_trunk_prefix_is_removed_where_the_country_has_one() {
        for (text, expected) in [
            ("+44 (0)7700 900123", "447700900123"),
            ("+44 07700 900123", "447700900123"),
            ("+49 (0)151 23456789", "4915123456789"),
            ("+91 09971310001", "919971310001"),
            ("+91 (0) 99713-10001", "919971310001"),
            ("+971 (0)50 123 4567", "971501234567"),
            ("+7 (8) 912 345-67-89", "79123456789"),
            ("+36 06 20 123 4567", "36201234567"),
            ("+1 (1) 202 555 0123", "12025550123"),
            ("+54 11 15 2345-6789", "5491123456789"),
            ("+34 (0)612 345 678", "34612345678"),
            ("0034 (0)612 345 678", "34612345678"),
            // Zeros that belong to the number.
            ("+39 06 698 12345", "390669812345"),
            ("+39 (0)6 698 12345", "390669812345"),
            ("+225 07 01 02 03 04", "2250701020304"),
            ("+225 (0)7 01 02 03 04", "2250701020304"),
            ("+242 06 612 3456", "242066123456"),
        ] {
            assert_eq!(digits(text, None), expected, "{text}");
        }
    }

    #[test]
    fn an_international_prefix_stands_for_plus() {
        for text in [
            "0091 99713 10001",
            "00 91 (0)99713 10001",
            "00 (91) 99713 10001",
            "011 91 99713 10001",
            "0011 91 99713 10001",
            "010 91 99713 10001",
            "+0091 99713 10001",
            "(+91) 99713 10001",
            "+(91) 99713 10001",
            "\u{202a}+91\u{2011}99713\u{202f}10001\u{202c}",
            "91 099713 10001",
        ] {
            assert_eq!(digits(text, None), "919971310001", "{text}");
            assert_eq!(digits(text, Some("GB")), "919971310001", "{text}");
        }
        assert_eq!(digits("8~10 91 99713 10001", Some("RU")), "919971310001");
    }

    #[test]
    fn a_national_number_gets_the_accounts_country_code() {
        for (text, country, expected) in [
            ("099701 23456", "IN", "919970123456"),
            ("9970123456", "IN", "919970123456"),
            ("(202) 555-0123", "US", "12025550123"),
            ("1 202 555 0123", "US", "12025550123"),
            ("011 15 2345-6789", "AR", "5491123456789"),
            ("06 698 12345", "IT", "390669812345"),
            ("07700 900123", "GB", "447700900123"),
            ("011 2345 6789", "IN", "911123456789"),
        ] {
            assert_eq!(digits(text, Some(country)), expected, "{text}");
        }
    }

    #[test]
    fn an_international_number_is_not_changed() {
        for (text, expected) in [
            ("919970123456", "919970123456"),
            ("+44 7700 900123", "447700900123"),
            // WhatsApp's spellings beside the plan's.
            ("+52 1 55 1234 5678", "5215512345678"),
            ("+55 11 8765-4321", "551187654321"),
            ("+54 11 2345-6789", "541123456789"),
        ] {
            assert_eq!(digits(text, Some("IN")), expected, "{text}");
        }
    }

    #[test]
    fn a_number_that_two_countries_have_needs_a_plus() {
        // +91 65912 34567, and +65 9123 4567.
        assert_eq!(
            parse("6591234567", Some("IN")),
            Err(BadRecipient::Ambiguous)
        );
        assert_eq!(digits("+6591234567", Some("IN")), "6591234567");
        assert_eq!(digits("+916591234567", Some("IN")), "916591234567");
    }

    #[test]
    fn a_number_that_looks_international_is_never_silently_national() {
        for (text, country) in [
            ("919970123456", "DE"),
            // A range of the plan that is not assigned yet.
            ("447700900123", "DE"),
            ("491512345678", "DE"),
            ("4366412345678", "DE"),
            ("33612345678", "DE"),
            ("15123456789", "DE"),
            // Also +84 733 1234 behind Chad's international prefix.
            ("16847331234", "TD"),
        ] {
            assert_eq!(
                parse(text, Some(country)),
                Err(BadRecipient::Ambiguous),
                "{text}"
            );
            assert_eq!(digits(&format!("+{text}"), Some(country)), text);
            assert_eq!(digits(&format!("00{text}"), Some(country)), text);
        }
        assert_eq!(digits("0151 23456789", Some("DE")), "4915123456789");
        assert_eq!(digits("31 98765 4321", Some("BR")), "5531987654321");
        assert_eq!(digits("919970123456", Some("AT")), "919970123456");
        assert_eq!(digits("919970123456", Some("IN")), "919970123456");
    }

    #[test]
    fn a_number_outside_every_numbering_plan_is_refused() {
        for (text, error) in [
            ("+999 123 4567", BadRecipient::UnknownCountryCode),
            ("+91 12345 6", BadRecipient::NotAllowed(91)),
            ("+91 99713 100012", BadRecipient::NotAllowed(91)),
            ("+44 7700 90012", BadRecipient::NotAllowed(44)),
            ("+1 123 456 7890", BadRecipient::NotAllowed(1)),
            ("9199713100012", BadRecipient::NotAllowed(91)),
            ("9970123456", BadPhoneNumber::NoCountryCode.into()),
            ("09970123456", BadPhoneNumber::LeadingZero.into()),
            ("+1234567890123456", BadPhoneNumber::Length(16).into()),
        ] {
            assert_eq!(parse(text, None), Err(error), "{text}");
        }
    }
}
