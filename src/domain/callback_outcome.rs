//! What a processed callback contained.

use strum::{EnumString, IntoStaticStr};

/// The first of these that applies to any part of the callback.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, EnumString, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Outcome {
    /// It failed authentication and was not parsed.
    Unverified,
    /// It contained a report about at least one message.
    Receipts,
    /// A customer's message.
    Inbound,
    /// Nothing of it could be parsed, except notices.
    Quarantined,
    /// Parsed, but not about a message.
    Notice,
    /// A request that only tests whether the URL works.
    Probe,
}

impl Outcome {
    /// In the order in which pages and error messages list them.
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

    /// The words of all outcomes, for error messages.
    pub fn words() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }

    pub fn parse(word: &str) -> Option<Self> {
        word.parse().ok()
    }
}
