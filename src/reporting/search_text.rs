//! The text of the search box, and everything that it can mean.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::ids::{MessageId, ProviderMessageId};
use crate::domain::invisible_characters::{is_blank, is_invisible, trim};
use crate::domain::message::Message;
use crate::domain::phone_text::{PhoneText, parse_user_id};
use crate::domain::scope::Visibility;
use crate::reporting::phone_search::phone_meanings;
use crate::store::messages::Search;

/// This many digits at the end of a number are enough to search the messages of the last days.
const RECENT_DIGITS: std::ops::Range<usize> = 4..7;
const RECENT_DAYS: i64 = 7;

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadSearch {
    #[error("is empty")]
    Empty,
    #[error("is longer than {} characters", SearchText::LIMIT)]
    TooLong,
}

/// 1 to 512 characters, without surrounding spaces and invisible characters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SearchText(String);

impl SearchText {
    /// In characters; no id or reference is longer.
    pub const LIMIT: usize = 512;

    pub fn parse(text: &str) -> Result<Self, BadSearch> {
        let text = trim(text);
        if text.is_empty() {
            return Err(BadSearch::Empty);
        }
        if text.chars().count() > Self::LIMIT {
            return Err(BadSearch::TooLong);
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without the quotation marks around it.
    fn unquoted(&self) -> &str {
        let is_quote = |c| "\"'`“”„‘’«»".contains(c) || is_blank(c);
        self.0.trim_matches(is_quote)
    }

    /// How a reference may begin: as typed, without what people write around it, and in the usual
    /// cases of letters.
    fn reference_beginnings(&self) -> BTreeSet<String> {
        let unquoted = self.unquoted();
        let unmarked = unquoted.trim_start_matches('#').trim_start();
        let mut beginnings = BTreeSet::from([self.0.clone()]);
        for text in [unquoted, unmarked] {
            let lower = text.to_lowercase();
            let mut capitalized = lower.clone();
            if let Some(first) = capitalized.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            beginnings.extend([text.to_owned(), text.to_uppercase(), lower, capitalized]);
        }
        beginnings.retain(|text| !text.is_empty());
        beginnings
    }

    /// Everything that the text can mean. With masked numbers only a complete number matches:
    /// otherwise a caller could guess it digit by digit.
    pub fn meanings(&self, visibility: Visibility) -> Vec<Search> {
        let text = self.unquoted();
        let mut meanings = Vec::new();
        let without_marks: String = text.chars().filter(|c| !is_invisible(*c)).collect();
        if let Ok(id) = without_marks.parse::<MessageId>() {
            meanings.push(Search::Id(id));
        }
        meanings.extend(phone_meanings(text, visibility));
        meanings.extend(parse_user_id(&without_marks).map(Search::Phone));
        if let Ok(id) = ProviderMessageId::parse_stored(&without_marks) {
            meanings.push(Search::ProviderId(id.as_str().to_owned()));
        }
        let beginnings = self.reference_beginnings().into_iter();
        meanings.extend(beginnings.map(Search::ReferencePrefix));
        meanings
    }

    /// A search of recent messages by the last digits of a number. Not with masked numbers, which a
    /// caller could guess.
    pub fn recent_ending(&self, visibility: Visibility, now: DateTime<Utc>) -> Option<Search> {
        let digits = PhoneText::parse(self.unquoted()).ok()?.digits;
        let fits = visibility == Visibility::Full && RECENT_DIGITS.contains(&digits.len());
        let since = now - TimeDelta::days(RECENT_DAYS);
        fits.then_some(Search::RecentPhoneSuffix(digits, since))
    }

    /// Why the text finds this message.
    pub fn match_reason(&self, message: &Message) -> Option<&'static str> {
        let text = self.unquoted();
        let without_marks: String = text.chars().filter(|c| !is_invisible(*c)).collect();
        if without_marks.parse() == Ok(message.id) {
            return Some("same message id");
        }
        let beginnings = self.reference_beginnings();
        let begins = |reference: &Option<String>| {
            let reference = reference.as_deref().unwrap_or_default();
            beginnings.iter().any(|text| reference.starts_with(text))
        };
        if begins(&message.client_reference) {
            return Some("client reference starts with this");
        }
        let references = &message.references;
        if begins(&references.reference)
            || begins(&references.reference1)
            || begins(&references.reference2)
        {
            return Some("reference starts with this");
        }
        if message
            .provider_id
            .as_ref()
            .is_some_and(|id| id.as_str() == without_marks)
        {
            return Some("same provider id");
        }
        let recipient = message.recipient.as_deref().unwrap_or_default();
        let digits = PhoneText::parse(text).ok().map(|written| written.digits);
        match digits.filter(|digits| !digits.is_empty()) {
            Some(digits) if recipient == digits => Some("same number"),
            Some(digits) if recipient.ends_with(digits.trim_start_matches('0')) => {
                Some("number ends with this")
            }
            Some(digits) if recipient.starts_with(&digits) => Some("number starts with this"),
            Some(_) if has_number(message, text) => Some("number of the reference"),
            Some(_) => Some("same number"),
            None => Some("same provider id"),
        }
    }
}

/// Whether a number at the end of a reference begins with these digits.
fn has_number(message: &Message, digits: &str) -> bool {
    let sent = &message.references;
    [
        &message.client_reference,
        &sent.reference,
        &sent.reference1,
        &sent.reference2,
    ]
    .into_iter()
    .flatten()
    .any(|reference| {
        let before = reference.trim_end_matches(|c: char| c.is_ascii_digit());
        let number = reference.strip_prefix(before).unwrap_or_default();
        number.starts_with(digits.trim_start_matches('#'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(text: &str) -> Vec<Search> {
        SearchText::parse(text).unwrap().meanings(Visibility::Full)
    }

    #[test]
    fn a_number_matches_at_both_ends_for_a_caller_who_may_see_it() {
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
    fn four_digits_are_enough_for_recent_messages_of_a_caller_who_may_see_numbers() {
        let now: DateTime<Utc> = "2026-11-20T12:00:00Z".parse().unwrap();
        let ending = |text, visibility| {
            let text = SearchText::parse(text).unwrap();
            text.recent_ending(visibility, now)
        };
        let since = now - TimeDelta::days(7);
        let found = Search::RecentPhoneSuffix("3456".to_owned(), since);
        assert_eq!(ending("3456", Visibility::Full), Some(found));
        assert_eq!(ending("3456", Visibility::Masked), None);
        assert_eq!(ending("456", Visibility::Full), None);
        assert_eq!(ending("1234567", Visibility::Full), None);
    }

    #[test]
    fn with_masked_numbers_only_a_complete_one_matches() {
        let text = SearchText::parse("9970123").unwrap();
        let found = text.meanings(Visibility::Masked);
        assert!(found.contains(&Search::Phone("9970123".to_owned())));
        let partial =
            |search: &Search| matches!(search, Search::PhonePrefix(_) | Search::PhoneSuffix(_));
        assert!(!found.iter().any(partial));
    }

    #[test]
    fn a_reference_is_found_as_people_write_it() {
        for text in [
            "mh-33009",
            "#MH-33009",
            " \"MH-33009\" ",
            "# Mh-33009",
            "“mh-33009”",
        ] {
            let wanted = Search::ReferencePrefix("MH-33009".to_owned());
            assert!(full(text).contains(&wanted), "{text}");
        }
        assert!(full("ORDER-17").contains(&Search::ReferencePrefix("Order-17".to_owned())));
        assert!(full("#17").contains(&Search::ReferencePrefix("#17".to_owned())));
        let quotes = full("\"\"");
        assert_eq!(quotes, [Search::ReferencePrefix("\"\"".to_owned())]);
        let numbers = full("10510");
        let beginnings = numbers
            .iter()
            .filter(|it| matches!(it, Search::ReferencePrefix(_)));
        assert_eq!(beginnings.count(), 1);
    }

    #[test]
    fn ids_are_compared_completely_and_references_by_their_beginning() {
        let wamid = full("wamid.HBgM Oa==");
        assert_eq!(
            wamid,
            [
                Search::ProviderId("wamid.HBgM+Oa==".to_owned()),
                Search::ReferencePrefix("WAMID.HBGM OA==".to_owned()),
                Search::ReferencePrefix("Wamid.hbgm oa==".to_owned()),
                Search::ReferencePrefix("wamid.HBgM Oa==".to_owned()),
                Search::ReferencePrefix("wamid.hbgm oa==".to_owned()),
            ]
        );
        let id = "019a9f3e-5d2c-7c41-9a55-3f1b2c4d5e6f";
        assert!(full(id).contains(&Search::Id(id.parse().unwrap())));
        assert_eq!(SearchText::parse("  "), Err(BadSearch::Empty));
    }
}
