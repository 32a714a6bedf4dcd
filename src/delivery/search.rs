//! The one search box: what the typed text may mean.

use crate::domain::access::Visibility;
use crate::domain::ids::ProviderMessageId;
use crate::store::messages::Search;

/// Fewer digits at the end of a number fit too many people.
const SUFFIX_DIGITS: usize = 7;
/// Fewer digits at the beginning are a country, not a person.
const PREFIX_DIGITS: usize = 3;

/// Every reading of `text`; any that fits finds a message. Who sees numbers masked finds them by the whole number only.
pub fn readings(text: &str, viewer: Visibility) -> Vec<Search> {
    let text = text.trim();
    if text.is_empty() {
        return Vec::new();
    }
    let mut readings = vec![Search::ReferencePrefix(text.to_owned())];
    readings.extend(text.parse().ok().map(Search::Id));
    readings.extend(
        ProviderMessageId::parse(text)
            .ok()
            .map(|id| Search::ProviderId(id.as_str().to_owned())),
    );
    if let Some(digits) = digits_of(text) {
        readings.push(Search::Phone(digits.clone()));
        if viewer == Visibility::Full {
            if digits.len() >= PREFIX_DIGITS {
                readings.push(Search::PhonePrefix(digits.clone()));
            }
            if digits.len() >= SUFFIX_DIGITS && !text.starts_with('+') {
                readings.push(Search::PhoneSuffix(digits));
            }
        }
    }
    readings
}

/// The digits of what looks like a phone number or a piece of one.
fn digits_of(text: &str) -> Option<String> {
    let rest = text.strip_prefix('+').unwrap_or(text);
    let written_as_number = rest
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, ' ' | '-' | '(' | ')' | '.' | '\u{a0}'));
    let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    (written_as_number && (1..=15).contains(&digits.len())).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_whole_by_its_beginning_and_by_its_end() {
        let found = readings("99000 01234", Visibility::Full);
        for wanted in [
            Search::Phone("9900001234".to_owned()),
            Search::PhonePrefix("9900001234".to_owned()),
            Search::PhoneSuffix("9900001234".to_owned()),
        ] {
            assert!(found.contains(&wanted), "{wanted:?} in {found:?}");
        }
        assert!(
            !readings("001234", Visibility::Full)
                .contains(&Search::PhoneSuffix("001234".to_owned()))
        );
    }

    #[test]
    fn who_sees_numbers_masked_cannot_guess_them_digit_by_digit() {
        let found = readings("+9199", Visibility::Masked);
        assert!(
            found
                .iter()
                .all(|reading| !matches!(reading, Search::PhonePrefix(_) | Search::PhoneSuffix(_)))
        );
    }

    #[test]
    fn ids_are_read_as_ids_and_everything_may_be_a_reference() {
        let id = "019a9f3e-5d2c-7c41-9a55-3f1b2c4d5e6f";
        assert!(readings(id, Visibility::Full).contains(&Search::Id(id.parse().unwrap())));
        let wamid = "wamid.HBgMOTE5OTAw";
        assert!(
            readings(wamid, Visibility::Masked).contains(&Search::ProviderId(wamid.to_owned()))
        );
        assert_eq!(
            readings("table", Visibility::Full)[0],
            Search::ReferencePrefix("table".to_owned())
        );
        assert!(readings("  ", Visibility::Full).is_empty());
    }
}
