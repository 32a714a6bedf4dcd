//! What a processed callback contained.

use strum::{EnumString, IntoStaticStr};

/// The first of these that applies to any part of the callback.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, EnumString, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Outcome {
    /// It failed authentication and was not parsed.
    Unverified,
    /// It reported at least one message.
    Receipts,
    /// A customer's message.
    Inbound,
    /// Nothing of it could be parsed, except notices.
    Quarantined,
    /// Parsed, but not about a message.
    Notice,
    /// A test whether the URL works.
    Probe,
}

impl Outcome {
    /// In the order in which they are offered.
    pub const ALL: [Self; 6] = [
        Self::Receipts,
        Self::Inbound,
        Self::Notice,
        Self::Probe,
        Self::Quarantined,
        Self::Unverified,
    ];

    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// All words, for error messages.
    pub fn words() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }

    pub fn parse(word: &str) -> Option<Self> {
        word.parse().ok()
    }
}
