//! The country of a recipient, by which deliveries are charged.

use std::sync::PoisonError;

use phonenumber::Metadata;
use phonenumber::metadata::{DATABASE, Database, Descriptor};

use crate::domain::phone;
use crate::domain::phone_text::is_user_id;

/// Reads the metadata of all countries, which takes a tenth of a second; otherwise the first delivery
/// waits for it.
pub fn load_metadata() {
    let _: &Database = &DATABASE;
}

/// The country by which a message is charged, also after its recipient was erased.
pub fn charged_country(recipient: Option<&str>, erased: Option<&str>) -> Option<String> {
    let country = recipient.and_then(country_of);
    country.or_else(|| erased.map(ToOwned::to_owned))
}

/// The ISO 3166 code of a phone number's country, or of the country in a user id; `None` for any
/// other text.
pub fn country_of(recipient: &str) -> Option<String> {
    if is_user_id(recipient) {
        return recipient
            .split_once('.')
            .map(|(country, _)| country.to_ascii_uppercase());
    }
    if !phone::are_digits(recipient) {
        return None;
    }
    (1..=3).find_map(|length| {
        let (code, national) = recipient.split_at_checked(length)?;
        let countries = DATABASE.by_code(&code.parse::<u16>().ok()?)?;
        choose(&countries, national).map(|country| country.id().to_owned())
    })
}

/// Several countries share a code such as +1. The main one is first in the list and tried first,
/// because ranges of others contain its mobile numbers, too. A number in no range belongs to it.
fn choose<'a>(countries: &[&'a Metadata], national: &str) -> Option<&'a Metadata> {
    if let [only] = countries {
        return Some(only);
    }
    let has_number = |country: &&&Metadata| {
        if let Some(digits) = country.leading_digits() {
            let found = digits.find(national);
            return found.is_some_and(|found| found.start() == 0);
        }
        let kinds = country.descriptors();
        let kinds = [kinds.mobile(), kinds.fixed_line()];
        let mut kinds = kinds.into_iter().flatten();
        kinds.any(|kind| contains(kind, national))
    };
    let found = countries.iter().find(has_number);
    found.or_else(|| countries.first()).copied()
}

/// Whether a whole number is in the range, as [`Descriptor::is_match`] does not check.
fn contains(range: &Descriptor, national: &str) -> bool {
    let pattern = format!("^(?:{})$", range.national_number().as_str());
    let cache = DATABASE.cache();
    let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    cache
        .configure(&pattern, |builder| builder.ignore_whitespace(true))
        .is_ok_and(|pattern| pattern.is_match(national))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_user_ids_have_a_country() {
        for (recipient, country) in [
            ("919970123456", Some("IN")),
            ("447700900123", Some("GB")),
            ("61412345678", Some("AU")),
            ("212612345678", Some("MA")),
            ("590690123456", Some("GP")),
            ("5511987654321", Some("BR")),
            ("12025550123", Some("US")),
            ("16137827274", Some("CA")),
            ("13459492311", Some("KY")),
            ("79161234567", Some("RU")),
            ("77011234567", Some("KZ")),
            ("393123456789", Some("IT")),
            ("IN.1349124839", Some("IN")),
            ("123", None),
            ("group-1", None),
            ("", None),
        ] {
            assert_eq!(country_of(recipient).as_deref(), country, "{recipient}");
        }
    }
}
