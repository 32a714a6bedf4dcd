//! The text of the search box, and everything that it can mean.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::ids::{MessageId, ProviderMessageId};
use crate::domain::invisible_characters::{is_invisible, trim};
use crate::domain::message::Message;
use crate::domain::phone_text::{PhoneText, parse_user_id};
use crate::domain::scope::Visibility;
use crate::reporting::phone_search::phone_meanings;
use crate::store::messages::Search;

/// This many digits at the end of a number are enough to search the messages of the last
/// [`RECENT_DAYS`] days.
const RECENT_DIGITS: std::ops::Range<usize> = 4..7;
const RECENT_DAYS: i64 = 7;

/// Characters that e-mails and spreadsheets put around a reference.
const REFERENCE_DELIMITERS: &str = "#\"'`“”„‘’«»";

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

    /// Other ways in which the same reference may be stored: without surrounding quotation marks
    /// and `#`, in upper or lower case.
    pub fn other_spellings(&self) -> Vec<Self> {
        let bare = self
            .0
            .trim_matches(|c| REFERENCE_DELIMITERS.contains(c))
            .trim();
        let mut spellings = vec![self.clone()];
        for text in [bare.to_owned(), bare.to_uppercase(), bare.to_lowercase()] {
            let spelling = Self::parse(&text).ok();
            spellings.extend(spelling.filter(|text| !spellings.contains(text)));
        }
        spellings.split_off(1)
    }

    /// Everything that the text can mean. With masked numbers only a complete number matches:
    /// otherwise a caller could guess it digit by digit.
    pub fn meanings(&self, visibility: Visibility) -> Vec<Search> {
        let text = self.as_str();
        let mut meanings = Vec::new();
        let without_invisible: String = text.chars().filter(|c| !is_invisible(*c)).collect();
        if let Ok(id) = without_invisible.parse::<MessageId>() {
            meanings.push(Search::Id(id));
        }
        meanings.extend(phone_meanings(text, visibility));
        meanings.extend(parse_user_id(&without_invisible).map(Search::Phone));
        if let Ok(id) = ProviderMessageId::parse_stored(&without_invisible) {
            meanings.push(Search::ProviderId(id.as_str().to_owned()));
        }
        meanings.push(Search::ReferencePrefix(text.to_owned()));
        meanings
    }

    /// A search of recent messages by the last digits of a number. Not with masked numbers, which a
    /// caller could guess.
    pub fn recent_suffix_search(
        &self,
        visibility: Visibility,
        now: DateTime<Utc>,
    ) -> Option<Search> {
        let digits = PhoneText::parse(self.as_str()).ok()?.digits;
        let fits = visibility == Visibility::Full && RECENT_DIGITS.contains(&digits.len());
        let since = now - TimeDelta::days(RECENT_DAYS);
        fits.then_some(Search::RecentPhoneSuffix(digits, since))
    }

    /// Why a search for the text finds this message.
    pub fn match_reason(&self, message: &Message) -> Option<&'static str> {
        let text = self.as_str();
        let without_invisible: String = text.chars().filter(|c| !is_invisible(*c)).collect();
        if without_invisible.parse() == Ok(message.id) {
            return Some("same message id");
        }
        let begins = |reference: &Option<String>| {
            let reference = reference.as_deref();
            reference.is_some_and(|reference| reference.starts_with(text))
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
            .is_some_and(|id| id.as_str() == without_invisible)
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
            Some(_) => Some("same number"),
            None if parse_user_id(&without_invisible).is_some() => Some("same user id"),
            None => Some("same provider id"),
        }
    }
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
    fn a_reference_has_few_other_spellings_and_a_number_has_none() {
        let spellings = |text| SearchText::parse(text).unwrap().other_spellings();
        let texts = |text| -> Vec<String> {
            let spellings = spellings(text).into_iter();
            spellings.map(|spelling| spelling.0).collect()
        };
        assert_eq!(texts("#mh-33009"), ["mh-33009", "MH-33009"]);
        assert_eq!(texts("“Order 7”"), ["Order 7", "ORDER 7", "order 7"]);
        assert_eq!(texts("MH-33009"), ["mh-33009"]);
        assert_eq!(texts("3456"), [""; 0]);
        assert_eq!(texts("#"), [""; 0]);
    }

    #[test]
    fn four_digits_are_enough_for_recent_messages_of_a_caller_who_may_see_numbers() {
        let now: DateTime<Utc> = "2026-11-20T12:00:00Z".parse().unwrap();
        let ending = |text, visibility| {
            let text = SearchText::parse(text).unwrap();
            text.recent_suffix_search(visibility, now)
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
    fn ids_match_exactly_and_references_by_prefix() {
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
        assert_eq!(SearchText::parse("  "), Err(BadSearch::Empty));
    }
}
