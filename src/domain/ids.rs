//! Ids: our own are `UUIDv7`, an account's is a slug, a provider's is opaque text.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use thiserror::Error;
use uuid::{Builder, NoContext, Timestamp, Uuid};

use crate::domain::invisible_characters::trim;
use crate::domain::placeholder::is_placeholder;

#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not a UUID")]
pub struct NotAnId(pub String);

macro_rules! own_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id; ids sort by the `now` of their creation.
            pub fn new(now: DateTime<Utc>) -> Self {
                let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
                Self(Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos())))
            }

            /// A deterministic id: the same instant and bytes give the same id.
            pub fn derived(at: DateTime<Utc>, bytes: [u8; 10]) -> Self {
                let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
                Self(Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid())
            }

            /// The embedded instant, to the millisecond; absent in a UUID of another version.
            pub fn created_at(self) -> Option<DateTime<Utc>> {
                let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
                DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
            }

            pub fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                Uuid::try_parse(text).map(Self).map_err(|_| NotAnId(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(out)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

own_id!(
    /// One message: sent here, registered, or known only from callbacks.
    MessageId
);
own_id!(
    /// One raw HTTP request from a provider.
    CallbackId
);
own_id!(
    /// One exchange with a provider's send API.
    AttemptId
);
own_id!(
    /// One operator action in the audit log.
    ActionId
);
own_id!(
    /// One API token; shown instead of the token itself.
    TokenId
);
own_id!(
    /// One user of the dashboard.
    UserId
);
own_id!(
    /// One session of a user; not the secret in the cookie.
    SessionId
);

impl CallbackId {
    /// The smallest id of a callback received at `at`: an id begins with its time.
    pub fn first_at(at: DateTime<Utc>) -> Self {
        Self::derived(at, [0; 10])
    }
}

/// The longest slug, in characters.
pub(crate) const SLUG_LIMIT: usize = 64;

/// 1 to `SLUG_LIMIT` of a-z, 0-9 and -, beginning with a letter or digit.
pub(crate) fn is_slug(text: &str) -> bool {
    (1..=SLUG_LIMIT).contains(&text.len())
        && !text.starts_with('-')
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "`{0}` is not an account id: use 1 to 64 of a-z, 0-9 and -, beginning with a letter or digit"
)]
pub struct NotAnAccountId(pub String);

/// The operator's name for one account: a slug, part of callback URLs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AccountId(String);

impl AccountId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountId {
    type Err = NotAnAccountId;

    fn from_str(text: &str) -> Result<Self, NotAnAccountId> {
        if is_slug(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAnAccountId(text.to_owned()))
        }
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// A provider id that cannot be stored.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BadProviderMessageId {
    #[error("provider id is empty")]
    Empty,
    #[error("provider id has a control character")]
    Control,
    /// An unreplaced template variable, or a word such as `null`.
    #[error("provider id is a placeholder")]
    Placeholder,
    /// A piece of JSON: text around the id was taken for a part of it.
    #[error("provider id has a quote or a brace")]
    Syntax,
    #[error(
        "provider id has {length} characters, more than {}",
        ProviderMessageId::LIMIT
    )]
    TooLong {
        /// In characters.
        length: usize,
    },
}

/// Any id that a provider uses for one message: a wamid, Kaleyra's `A…`, Zixflow's ObjectId.
///
/// Opaque and case-sensitive; compared exactly. A wamid decodes to the recipient's phone number, so
/// `Debug` masks it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderMessageId(String);

impl ProviderMessageId {
    /// The longest wamid that providers document, in characters.
    pub const DOCUMENTED_LIMIT: usize = 128;
    /// The longest id that is kept, in characters.
    pub const LIMIT: usize = 512;

    /// Parses an id from a callback or a reply. Removes invisible characters and quotes around it.
    /// A space inside it is restored to the `+` that form decoding replaced, and what was encoded
    /// once more in a wamid, which is Base64, is decoded.
    pub fn parse(text: &str) -> Result<Self, BadProviderMessageId> {
        let text = without_quotes(trim(text));
        let is_encoded = |byte| matches!(byte, b'%' | b'&');
        let id = if is_wamid(text) && text.bytes().any(is_encoded) {
            let decoded = ENCODED_BASE64
                .iter()
                .fold(text.to_owned(), |text, (encoded, plain)| {
                    text.replace(encoded, plain)
                });
            Self::parse_stored(&decoded)?
        } else {
            Self::parse_stored(text)?
        };
        if is_placeholder(text) {
            return Err(BadProviderMessageId::Placeholder);
        }
        let is_syntax = |byte| matches!(byte, b'"' | b'{' | b'}');
        if text.bytes().any(is_syntax) {
            return Err(BadProviderMessageId::Syntax);
        }
        Ok(id)
    }

    /// An id from the database, or one to look up: earlier versions stored placeholders.
    pub fn parse_stored(text: &str) -> Result<Self, BadProviderMessageId> {
        let trimmed = text.trim();
        // Most ids consist of visible ASCII, which saves the other checks.
        let is_visible_ascii = trimmed.bytes().all(|byte| byte.is_ascii_graphic());
        if is_visible_ascii && (1..=Self::LIMIT).contains(&trimmed.len()) {
            return Ok(Self(trimmed.to_owned()));
        }
        if trimmed.is_empty() {
            return Err(BadProviderMessageId::Empty);
        }
        if trimmed.contains(char::is_control) {
            return Err(BadProviderMessageId::Control);
        }
        let length = trimmed.chars().count();
        if length > Self::LIMIT {
            return Err(BadProviderMessageId::TooLong { length });
        }
        Ok(Self(trimmed.replace(' ', "+")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is longer than providers document.
    pub fn is_long(&self) -> bool {
        self.0.len() > Self::DOCUMENTED_LIMIT && self.0.chars().count() > Self::DOCUMENTED_LIMIT
    }

    pub fn is_wamid(&self) -> bool {
        is_wamid(&self.0)
    }
}

/// The characters of Base64 that URLs and HTML encode.
const ENCODED_BASE64: [(&str, &str); 10] = [
    ("%3D", "="),
    ("%3d", "="),
    ("%2B", "+"),
    ("%2b", "+"),
    ("%2F", "/"),
    ("%2f", "/"),
    ("&#x3D;", "="),
    ("&#x3d;", "="),
    ("&#61;", "="),
    ("&#43;", "+"),
];

/// The text inside of quotes around it.
fn without_quotes(text: &str) -> &str {
    let inside = ['"', '\'']
        .iter()
        .find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
    inside.map_or(text, trim)
}

fn is_wamid(text: &str) -> bool {
    text.starts_with("wamid.")
}

impl fmt::Debug for ProviderMessageId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAMID: &str = "wamid.HBgMOTE5NTYxODc4MDgwFQIAERgSRTUzMjRGMDc2OTIzNjBDRkZGAA==";

    #[test]
    fn an_id_is_read_from_the_marks_that_relays_add() {
        let encoded = WAMID.replace('=', "%3D");
        let entity = WAMID.replace('=', "&#x3D;");
        for text in [
            WAMID,
            &format!(" \u{200b}{WAMID}\u{feff}"),
            &format!("\"{WAMID}\""),
            &format!("' {WAMID}'"),
            &encoded,
            &entity,
        ] {
            let id = ProviderMessageId::parse(text).unwrap();
            assert_eq!(id.as_str(), WAMID, "{text:?}");
        }
        // Of other ids nothing is known.
        let other = ProviderMessageId::parse("a%3Db").unwrap();
        assert_eq!(other.as_str(), "a%3Db");
    }

    #[test]
    fn an_empty_id_and_a_placeholder_differ() {
        let parse = |text| ProviderMessageId::parse(text).unwrap_err();
        assert_eq!(parse(" \u{200b}"), BadProviderMessageId::Empty);
        assert_eq!(parse("\"\""), BadProviderMessageId::Empty);
        assert_eq!(parse("\"null\""), BadProviderMessageId::Placeholder);
        assert_eq!(parse("{{id}}:0"), BadProviderMessageId::Placeholder);
    }
}
