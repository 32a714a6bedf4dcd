//! The one search box: what was typed, in every way it can be read.

use crate::domain::ids::{MessageId, ProviderMessageId};
use crate::domain::phone;
use crate::domain::scope::Visibility;
use crate::store::messages::Search;

/// Fewer digits at the end of a number name too many people.
const SUFFIX_DIGITS: usize = 7;
/// Fewer digits at its beginning are a country.
const PREFIX_DIGITS: usize = 3;
/// A text longer than any id is none.
const LIMIT: usize = 512;

/// What was typed cannot be searched for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadSearch {
    /// Nothing.
    #[error("is empty")]
    Empty,
    /// Longer than anything that is kept.
    #[error("is longer than {LIMIT} characters")]
    TooLong,
}

/// Every reading of a text. Who may not see numbers finds them only whole, lest they be guessed digit by digit.
pub fn parse_search(text: &str, visibility: Visibility) -> Result<Vec<Search>, BadSearch> {
    let text = text.trim();
    if text.is_empty() {
        return Err(BadSearch::Empty);
    }
    if text.chars().count() > LIMIT {
        return Err(BadSearch::TooLong);
    }
    let mut readings = Vec::new();
    if let Ok(id) = text.parse::<MessageId>() {
        readings.push(Search::Id(id));
    }
    if let Some(digits) = phone_digits(text) {
        readings.extend(phone_readings(&digits, visibility));
    }
    if let Ok(id) = ProviderMessageId::parse(text) {
        readings.push(Search::ProviderId(id.as_str().to_owned()));
    }
    readings.push(Search::ReferencePrefix(text.to_owned()));
    Ok(readings)
}

/// The digits of a text that holds nothing but a phone number or a part of one.
pub(crate) fn phone_digits(text: &str) -> Option<String> {
    let rest = text.trim();
    let rest = rest.strip_prefix('+').unwrap_or(rest);
    let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    let plain = rest
        .chars()
        .all(|c| c.is_ascii_digit() || " -().\u{a0}".contains(c));
    (plain && !digits.is_empty() && digits.len() <= 15).then_some(digits)
}

fn phone_readings(digits: &str, visibility: Visibility) -> Vec<Search> {
    if visibility == Visibility::Masked {
        return vec![Search::Phone(digits.to_owned())];
    }
    let mut readings = Vec::new();
    if digits.len() >= PREFIX_DIGITS {
        readings.push(Search::PhonePrefix(digits.to_owned()));
    }
    if phone::spellings(digits).len() > 1 {
        readings.push(Search::Phone(digits.to_owned()));
    }
    // National numbers are often written with a zero that the international form has not.
    let mut suffixes = vec![digits, digits.trim_start_matches('0')];
    suffixes.dedup();
    suffixes.retain(|suffix| suffix.len() >= SUFFIX_DIGITS);
    readings.extend(
        suffixes
            .into_iter()
            .map(|suffix| Search::PhoneSuffix(suffix.to_owned())),
    );
    readings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(text: &str) -> Vec<Search> {
        parse_search(text, Visibility::Full).unwrap()
    }

    #[test]
    fn a_number_is_looked_for_at_both_ends_by_who_may_see_it() {
        let found = full("+91 99701-23456");
        assert!(found.contains(&Search::PhonePrefix("919970123456".to_owned())));
        assert!(found.contains(&Search::PhoneSuffix("919970123456".to_owned())));
        assert!(full("0123456 7").contains(&Search::PhoneSuffix("1234567".to_owned())));
        assert!(
            !full("123456")
                .iter()
                .any(|search| matches!(search, Search::PhoneSuffix(_)))
        );
    }

    #[test]
    fn without_the_right_to_see_numbers_only_a_whole_one_is_found() {
        let found = parse_search("9970123", Visibility::Masked).unwrap();
        assert!(found.contains(&Search::Phone("9970123".to_owned())));
        let partial =
            |search: &Search| matches!(search, Search::PhonePrefix(_) | Search::PhoneSuffix(_));
        assert!(!found.iter().any(partial));
    }

    #[test]
    fn ids_are_compared_whole_and_references_by_their_beginning() {
        let wamid = full("wamid.HBgM Oa==");
        assert_eq!(
            wamid,
            [
                Search::ProviderId("wamid.HBgM+Oa==".to_owned()),
                Search::ReferencePrefix("wamid.HBgM Oa==".to_owned())
            ]
        );
        let id = "019a9f3e-5d2c-7c41-9a55-3f1b2c4d5e6f";
        assert!(full(id).contains(&Search::Id(id.parse().unwrap())));
        assert_eq!(parse_search("  ", Visibility::Full), Err(BadSearch::Empty));
    }
}
