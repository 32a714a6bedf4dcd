//! Campaigns: many messages that belong together.

use std::fmt;
use std::str::FromStr;

use strum::{Display, EnumString, IntoStaticStr, VariantArray};
use thiserror::Error;

use crate::domain::enum_words::{UnknownWord, enum_words};

/// Characters of an id.
const ID_LIMIT: usize = 64;

#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "`{0}` is not a campaign id: use 1 to 64 of a-z, 0-9 and -, beginning with a letter or digit"
)]
pub struct NotACampaignId(pub String);

/// A slug.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CampaignId(String);

impl CampaignId {
    /// Made from a name; `None` if it has no letter or digit of ASCII.
    pub fn of_name(name: &str) -> Option<Self> {
        let mut slug = String::new();
        for letter in name.chars().flat_map(char::to_lowercase) {
            if letter.is_ascii_alphanumeric() {
                slug.push(letter);
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        }
        slug.truncate(ID_LIMIT);
        slug.trim_end_matches('-').parse().ok()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CampaignId {
    type Err = NotACampaignId;

    fn from_str(text: &str) -> Result<Self, NotACampaignId> {
        let fits = (1..=ID_LIMIT).contains(&text.len())
            && !text.starts_with('-')
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotACampaignId(text.to_owned()))
        }
    }
}

impl fmt::Display for CampaignId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// `draft → scheduled → running ⇄ paused → done | cancelled`
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    EnumString,
    IntoStaticStr,
    VariantArray,
    Display,
)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum CampaignState {
    /// Recipients are collected; nothing is sent.
    Draft,
    /// Starts at its time.
    Scheduled,
    Running,
    Paused,
    /// Every message has left the queue.
    Done,
    Cancelled,
}
enum_words!(CampaignState, "a campaign state");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_slug_of_the_name() {
        for (name, id) in [
            ("Black Friday: Preview!", Some("black-friday-preview")),
            ("  Été 2026 ", Some("t-2026")),
            ("summer", Some("summer")),
            ("---", None),
            ("त्योहार", None),
        ] {
            let made = CampaignId::of_name(name);
            assert_eq!(made.as_ref().map(CampaignId::as_str), id, "{name}");
        }
        let long = CampaignId::of_name(&"ab ".repeat(60)).unwrap();
        assert!(long.as_str().len() <= ID_LIMIT && !long.as_str().ends_with('-'));
    }
}
