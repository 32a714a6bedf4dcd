//! Parses the recipient's number: international, or national if the account has a default country.

use crate::domain::phone::{BadPhoneNumber, PhoneNumber};

/// `country` (ISO 3166, `IN`) is the account's default country.
pub fn parse(text: &str, country: Option<&str>) -> Result<PhoneNumber, BadPhoneNumber> {
    let country = country.and_then(|code| code.parse::<phonenumber::country::Id>().ok());
    if let Some(country) = country
        && !text.trim_start().starts_with('+')
        && let Ok(number) = phonenumber::parse(Some(country), text)
        && number.is_valid()
    {
        return PhoneNumber::parse(&number.format().mode(phonenumber::Mode::E164).to_string());
    }
    PhoneNumber::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_national_number_gets_the_accounts_country_code() {
        assert_eq!(
            parse("099701 23456", Some("IN")).unwrap().digits(),
            "919970123456"
        );
        assert_eq!(
            parse("9970123456", Some("IN")).unwrap().digits(),
            "919970123456"
        );
    }

    #[test]
    fn an_international_number_is_not_changed() {
        assert_eq!(
            parse("919970123456", Some("IN")).unwrap().digits(),
            "919970123456"
        );
        assert_eq!(
            parse("+44 7700 900123", Some("IN")).unwrap().digits(),
            "447700900123"
        );
        assert_eq!(
            parse("9970123456", None),
            Err(BadPhoneNumber::NoCountryCode)
        );
    }
}
