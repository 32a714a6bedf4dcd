//! Identifiers: ours are `UUIDv7`, an account's is a slug, a provider's is opaque text.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use thiserror::Error;
use uuid::{Builder, NoContext, Timestamp, Uuid};

/// An id of our own that cannot be read.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not a UUID")]
pub struct NotAnId(pub String);

macro_rules! own_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh id that sorts by `now`.
            pub fn new(now: DateTime<Utc>) -> Self {
                let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
                Self(Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos())))
            }

            /// The id that the same instant and the same ten bytes always give.
            pub fn derived(at: DateTime<Utc>, bytes: [u8; 10]) -> Self {
                let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
                Self(Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid())
            }

            /// When it was made, to the millisecond; absent where the UUID is of another version.
            pub fn created_at(self) -> Option<DateTime<Utc>> {
                let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
                DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
            }

            /// The UUID behind the id.
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
    /// One message: sent by us, registered, or heard of only in callbacks.
    MessageId
);
own_id!(
    /// One raw HTTP request from a provider, made when it was received.
    CallbackId
);
own_id!(
    /// One exchange with a provider's send API.
    AttemptId
);
own_id!(
    /// One decision of an operator, as the audit keeps it.
    ActionId
);
own_id!(
    /// One API token; names it where the token itself may not be shown.
    TokenId
);

/// An account id that is not a slug.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "`{0}` is not an account id: use 1 to 64 of a-z, 0-9 and -, beginning with a letter or digit"
)]
pub struct NotASlug(pub String);

/// The operator's own name for one login at a provider: a slug, part of callback URLs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AccountId(String);

impl AccountId {
    /// The slug.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountId {
    type Err = NotASlug;

    fn from_str(text: &str) -> Result<Self, NotASlug> {
        let fits = (1..=64).contains(&text.len())
            && !text.starts_with('-')
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotASlug(text.to_owned()))
        }
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// A provider's id that cannot be kept as a message's id.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BadProviderMessageId {
    /// Nothing but white space.
    #[error("provider id is empty")]
    Empty,
    /// A tab, a NUL, a line break: no id has one.
    #[error("provider id has a control character")]
    Control,
    /// Longer than any documented id.
    #[error("provider id has {length} characters, more than the {limit} documented")]
    TooLong {
        /// Characters it has.
        length: usize,
        /// Characters it may have.
        limit: usize,
    },
}

/// Any id that a provider uses for one message: a wamid, Kaleyra's `A…`, Zixflow's ObjectId.
///
/// Opaque and case-sensitive; compared exactly. A wamid decodes to the recipient's phone number, so it is printed masked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderMessageId(String);

impl ProviderMessageId {
    /// The longest wamid that Sobot's documentation allows, in characters.
    pub const WAMID_LIMIT: usize = 128;
    /// The longest other id that is kept, in characters.
    pub const OTHER_LIMIT: usize = 512;

    /// Reads an id as a provider wrote it. White space inside is a `+` that form decoding turned into a space.
    pub fn parse(text: &str) -> Result<Self, BadProviderMessageId> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(BadProviderMessageId::Empty);
        }
        if trimmed.contains(char::is_control) {
            return Err(BadProviderMessageId::Control);
        }
        let limit = if is_wamid(trimmed) {
            Self::WAMID_LIMIT
        } else {
            Self::OTHER_LIMIT
        };
        let length = trimmed.chars().count();
        if length > limit {
            return Err(BadProviderMessageId::TooLong { length, limit });
        }
        Ok(Self(trimmed.replace(' ', "+")))
    }

    /// The id exactly as it is compared.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is WhatsApp's own id rather than the provider's.
    pub fn is_wamid(&self) -> bool {
        is_wamid(&self.0)
    }

    /// `wamid.…` and the last eight characters: enough to tell two apart, too little to decode a phone number.
    pub fn masked(&self) -> String {
        let tail: String = self
            .0
            .chars()
            .rev()
            .take(8)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect();
        if self.is_wamid() {
            format!("wamid.…{tail}")
        } else {
            format!("…{tail}")
        }
    }
}

fn is_wamid(text: &str) -> bool {
    text.starts_with("wamid.")
}

impl fmt::Debug for ProviderMessageId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.masked())
    }
}
