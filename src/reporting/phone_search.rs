//! Everything that a search for a phone number can mean: a whole number in any notation, its
//! beginning, its end.

use std::collections::BTreeSet;

use crate::domain::phone::NUMBER_DIGITS;
use crate::domain::phone_text::PhoneText;
use crate::domain::recipient_spelling::spellings;
use crate::domain::scope::Visibility;
use crate::sending::numbering_plan::after_international_prefix;
use crate::sending::recipient_number;
use crate::store::messages::Search;

/// Fewer digits at the end of a number match too many messages.
const MIN_SUFFIX_DIGITS: usize = 7;
/// Fewer digits at the beginning of a number are only a country code.
const MIN_PREFIX_DIGITS: usize = 3;

/// Empty if the text is not a number. With masked numbers only a complete number matches: otherwise
/// a caller could guess it digit by digit.
pub fn phone_meanings(text: &str, visibility: Visibility) -> Vec<Search> {
    let Ok(written) = PhoneText::parse(text) else {
        return Vec::new();
    };
    let digits = written.digits.as_str();
    let whole = recipient_number::parse_stored(text).ok();
    let whole = whole.map(|number| number.digits().to_owned());
    let mut numbers: BTreeSet<String> = whole.into_iter().chain([digits.to_owned()]).collect();
    if visibility == Visibility::Masked {
        return within_length(numbers).map(Search::Phone).collect();
    }
    numbers.extend(written.without_bracketed_zero());
    numbers.extend(
        after_international_prefix(digits, None)
            .into_iter()
            .map(str::to_owned),
    );
    let mut meanings = Vec::new();
    for number in within_length(numbers) {
        if spellings(&number).len() > 1 {
            meanings.push(Search::Phone(number.clone()));
        }
        if number.len() >= MIN_PREFIX_DIGITS {
            meanings.push(Search::PhonePrefix(number));
        }
    }
    // National numbers are often written with a zero that the international form lacks.
    let ends = BTreeSet::from([digits.to_owned(), digits.trim_start_matches('0').to_owned()]);
    meanings.extend(
        within_length(ends)
            .filter(|end| end.len() >= MIN_SUFFIX_DIGITS)
            .map(Search::PhoneSuffix),
    );
    meanings
}

fn within_length(numbers: BTreeSet<String>) -> impl Iterator<Item = String> {
    numbers
        .into_iter()
        .filter(|number| number.len() <= *NUMBER_DIGITS.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(text: &str) -> Vec<Search> {
        phone_meanings(text, Visibility::Full)
    }

    #[test]
    fn without_the_right_to_see_numbers_only_a_whole_one_is_found() {
        for (text, number) in [
            ("9970123", "9970123"),
            ("+44 (0)7700 900123", "447700900123"),
            ("wa.me/447700900123", "447700900123"),
        ] {
            let found = phone_meanings(text, Visibility::Masked);
            assert!(found.contains(&Search::Phone(number.to_owned())), "{text}");
            let is_whole = |search: &Search| matches!(search, Search::Phone(_));
            assert!(found.iter().all(is_whole), "{text}");
        }
    }

    #[test]
    fn a_number_in_part_may_have_a_prefix_or_a_bracketed_zero() {
        for text in ["0044 7700", "011 44 7700", "+44 (0)7700", "44 7700"] {
            let begins = Search::PhonePrefix("447700".to_owned());
            assert!(full(text).contains(&begins), "{text}");
        }
    }
}
