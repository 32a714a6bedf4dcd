//! Why a message will not arrive: the provider's own code and words, and the class we put it in.

use std::fmt;
use std::str::FromStr;

/// A failure as its source told it. All texts are the provider's, unshortened.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Failure {
    /// The provider's or WhatsApp's code: `131053`, `WA-401`. Absent for an operator's mark.
    pub code: Option<String>,
    /// The short text.
    pub title: Option<String>,
    /// The long text.
    pub detail: Option<String>,
    /// Kaleyra's key inside `error`, which tells two meanings of `WA-401` apart; LancePilot's first field of a 422.
    pub key: Option<String>,
}

impl Failure {
    /// Code, title and detail in one line, as far as they are told.
    pub fn in_words(&self) -> String {
        [&self.code, &self.title, &self.detail]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(": ")
    }
}

/// Our own code for a provider that could not be reached: nothing left this machine.
pub const UNREACHABLE: &str = "unreachable";

/// What kind of trouble a failure is, and so who can mend it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FailureClass {
    /// The number cannot or may not receive it.
    Recipient,
    /// The file cannot be fetched or is not what WhatsApp takes.
    Media,
    /// The 24-hour window is closed.
    Window,
    /// WhatsApp withholds it.
    Policy,
    /// The account's key, balance, number or limits.
    Account,
    /// Too fast.
    Rate,
    /// The provider or WhatsApp is in trouble.
    Provider,
    /// It waited too long.
    Expired,
    /// A code that nobody explained.
    Unknown,
}

impl FailureClass {
    /// Every class, in the order they are listed.
    pub const ALL: [Self; 9] = [
        Self::Recipient,
        Self::Media,
        Self::Window,
        Self::Policy,
        Self::Account,
        Self::Rate,
        Self::Provider,
        Self::Expired,
        Self::Unknown,
    ];

    /// The word used in JSON, URLs and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recipient => "recipient",
            Self::Media => "media",
            Self::Window => "window",
            Self::Policy => "policy",
            Self::Account => "account",
            Self::Rate => "rate",
            Self::Provider => "provider",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
        }
    }
}

/// A word that names no failure class.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a failure class")]
pub struct NotAClass(pub String);

impl FromStr for FailureClass {
    type Err = NotAClass;

    fn from_str(text: &str) -> Result<Self, NotAClass> {
        Self::ALL
            .into_iter()
            .find(|class| class.as_str() == text)
            .ok_or_else(|| NotAClass(text.to_owned()))
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}
