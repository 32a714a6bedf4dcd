//! Why a message will not arrive: the provider's own code and words, and the class we put it in.

use std::fmt;
use std::str::FromStr;

/// The title of a failure that is an operator's mark: whether the message arrived is not known.
pub const OPERATORS_MARK: &str = "marked as failed by an operator";

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
    /// Whether an operator gave the message up, rather than anybody who knows.
    pub fn is_mark(&self) -> bool {
        self.code.is_none() && self.title.as_deref() == Some(OPERATORS_MARK)
    }

    /// Code, title and detail in one line, as far as they are told; our own `unreachable` says nothing that its words do not.
    pub fn in_words(&self) -> String {
        let words = self.words();
        match self.code.as_deref() {
            Some(code) if words.is_empty() => code.to_owned(),
            Some(code) if code != UNREACHABLE => format!("{code}: {words}"),
            _ => words,
        }
    }

    /// Title and detail in one line. Providers like to begin with the code again, and to say the same in both: told once.
    pub fn words(&self) -> String {
        let mut told: Vec<&str> = Vec::new();
        for text in [&self.title, &self.detail].into_iter().flatten() {
            let text = self.without_code(text);
            if !text.is_empty() && !told.contains(&text) {
                told.push(text);
            }
        }
        match told.as_slice() {
            [title, detail] => format!("{}: {detail}", title.trim_end_matches(['.', ':'])),
            [only] => (*only).to_owned(),
            _ => String::new(),
        }
    }

    /// A text without the code that it begins with.
    fn without_code<'t>(&self, text: &'t str) -> &'t str {
        let text = text.trim();
        self.code
            .as_deref()
            .filter(|code| !code.is_empty())
            .and_then(|code| text.strip_prefix(code))
            .and_then(|rest| rest.strip_prefix([':', ' ', '-']))
            .map_or(text, |rest| rest.trim_start_matches([':', ' ', '-']))
    }
}

/// Our own code for a provider that could not be reached: nothing left this machine.
pub const UNREACHABLE: &str = "unreachable";
/// What we say of it, before the reason.
pub const UNREACHABLE_WORDS: &str = "the provider could not be reached";
/// What we say of a hand-over without a clear answer, before the reason.
pub const UNCLEAR_WORDS: &str = "the outcome is unknown";

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

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: &str, title: &str, detail: &str) -> Failure {
        Failure {
            code: Some(code.to_owned()),
            title: Some(title.to_owned()),
            detail: Some(detail.to_owned()),
            key: None,
        }
    }

    #[test]
    fn nothing_is_said_twice() {
        for (told, words) in [
            (
                failure("131026", "131026: Message Undeliverable.", ""),
                "131026: Message Undeliverable.",
            ),
            (
                failure("131047", "Re-engagement.", "In order to write"),
                "131047: Re-engagement: In order to write",
            ),
            (failure("1", "Blocked", "Blocked"), "1: Blocked"),
            (failure("1", "10 are too many", ""), "1: 10 are too many"),
            (
                failure(UNREACHABLE, UNREACHABLE_WORDS, "Connection refused"),
                "the provider could not be reached: Connection refused",
            ),
            (failure(UNREACHABLE, "", ""), UNREACHABLE),
        ] {
            assert_eq!(told.in_words(), words);
        }
    }
}
