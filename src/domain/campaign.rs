//! Campaigns: many messages that belong together.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};
use thiserror::Error;

use crate::domain::enum_words::{UnknownWord, enum_words};
use crate::domain::ids::{AccountId, SLUG_LIMIT, is_slug};
use crate::domain::media::MediaKind;
use crate::domain::template::Template;

#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "`{0}` is not a campaign id: use 1 to 64 of a-z, 0-9 and -, beginning with a letter or digit"
)]
pub struct NotACampaignId(pub String);

/// A slug.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CampaignId(String);

impl CampaignId {
    /// The slug of a name; `None` if the name has no ASCII letter or digit.
    pub fn from_name(name: &str) -> Option<Self> {
        let mut slug = String::new();
        for character in name.chars().flat_map(char::to_lowercase) {
            if character.is_ascii_alphanumeric() {
                slug.push(character);
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        }
        slug.truncate(SLUG_LIMIT);
        slug.trim_end_matches('-').parse().ok()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CampaignId {
    type Err = NotACampaignId;

    fn from_str(text: &str) -> Result<Self, NotACampaignId> {
        if is_slug(text) {
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

/// Where the file of every message is, unless a recipient has its own.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CampaignMedia {
    pub url: Option<String>,
    pub id: Option<String>,
    pub mime_type: Option<String>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Campaign {
    pub id: CampaignId,
    pub name: String,
    pub account: AccountId,
    pub kind: MediaKind,
    /// One of the account's senders; absent means the first.
    pub sender: Option<String>,
    pub media: CampaignMedia,
    /// With `{{column}}` for the recipients' columns.
    pub caption: Option<String>,
    /// Its values may have `{{column}}`, too.
    pub template: Option<Template>,
    pub state: CampaignState,
    pub send_at: Option<DateTime<Utc>>,
    /// Messages that are still queued at this time fail as expired.
    pub send_before: Option<DateTime<Utc>>,
    /// How long after its start messages may be sent; sets `send_before` at the start.
    pub send_within: Option<TimeDelta>,
    /// Messages per second.
    pub rate: Option<f64>,
    /// When `rate` allows the next message.
    pub next_slot_at: Option<DateTime<Utc>>,
    pub recipients: RecipientCounts,
    /// Rejected rows of the last upload, as JSON.
    pub rejections: Option<String>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RecipientCounts {
    pub accepted: u64,
    /// Rows whose recipient was already in the campaign.
    pub duplicates: u64,
    /// Rows that were not accepted.
    pub rejected: u64,
    /// Accepted recipients that became messages, or failed the checks at that time.
    pub taken: u64,
}

impl RecipientCounts {
    /// Recipients without a message yet.
    pub fn waiting(self) -> u64 {
        self.accepted.saturating_sub(self.taken)
    }
}

impl Campaign {
    pub fn begin(&mut self, now: DateTime<Utc>) {
        self.state = CampaignState::Running;
        self.started_at = self.started_at.or(Some(now));
        if let Some(within) = self.send_within {
            self.send_before = self.send_before.or(Some(now + within));
        }
    }

    /// The name, and the texts that every recipient gets.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let template = self.template.iter().flat_map(|template| {
            let buttons = template.buttons.iter().map(|button| &button.value);
            template.body.iter().chain(buttons)
        });
        let others = [&self.caption, &self.media.url, &self.media.id];
        let others = others.into_iter().flatten();
        let texts = std::iter::once(&self.name).chain(others).chain(template);
        texts.map(String::as_str)
    }

    /// Why recipients cannot be added; `None` if they can.
    pub fn recipient_refusal(&self) -> Option<String> {
        matches!(self.state, CampaignState::Done | CampaignState::Cancelled)
            .then(|| format!("the campaign is {}; create another", self.state))
    }
}

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
            let made = CampaignId::from_name(name);
            assert_eq!(made.as_ref().map(CampaignId::as_str), id, "{name}");
        }
        let long = CampaignId::from_name(&"ab ".repeat(60)).unwrap();
        assert!(long.as_str().len() <= SLUG_LIMIT && !long.as_str().ends_with('-'));
    }
}
