//! Failures: the provider's code and text, and our class.

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use crate::domain::enum_words::{UnknownWord, enum_words};

/// The title of a failure that an operator recorded: whether the message arrived is not known.
pub const OPERATOR_MARK_TITLE: &str = "marked as failed by an operator";

/// A failure as its source reported it. All texts are the provider's, complete up to 1 KiB.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Failure {
    /// The provider's or WhatsApp's code, such as `131053` or `WA-401`. Absent for an operator's
    /// mark.
    pub code: Option<String>,
    pub title: Option<String>,
    pub detail: Option<String>,
    /// Kaleyra's key inside `error`, which distinguishes two meanings of `WA-401`; LancePilot's
    /// first field of a 422.
    pub key: Option<String>,
}

impl Failure {
    /// Whether an operator marked the message as failed.
    pub fn is_operator_mark(&self) -> bool {
        self.code.is_none() && self.title.as_deref() == Some(OPERATOR_MARK_TITLE)
    }

    /// Code, title and detail in one line. The code `unreachable` is left out: its title says the
    /// same.
    pub fn one_line(&self) -> String {
        let text = self.text();
        match self.code.as_deref() {
            Some(code) if text.is_empty() => code.to_owned(),
            Some(code) if code != UNREACHABLE => format!("{code}: {text}"),
            _ => text,
        }
    }

    /// Title and detail in one line, without a repeated code and without a detail that repeats the
    /// title.
    pub fn text(&self) -> String {
        let mut parts: Vec<&str> = Vec::new();
        for text in [&self.title, &self.detail].into_iter().flatten() {
            let text = self.without_code(text);
            if !text.is_empty() && !parts.contains(&text) {
                parts.push(text);
            }
        }
        match parts.as_slice() {
            [title, detail] => format!("{}: {detail}", title.trim_end_matches(['.', ':'])),
            [only] => (*only).to_owned(),
            _ => String::new(),
        }
    }

    /// Strips the failure's code from the beginning of a text.
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

/// Our own code for a provider that could not be reached: no byte was sent.
pub const UNREACHABLE: &str = "unreachable";
pub const UNREACHABLE_TITLE: &str = "the provider could not be reached";
/// The title of a submission with an unclear outcome.
pub const UNCLEAR_TITLE: &str = "the outcome is unknown";

/// The kind of a failure, and thereby who can fix it.
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
pub enum FailureClass {
    Recipient,
    /// The file cannot be fetched or is not supported by WhatsApp.
    Media,
    Window,
    /// WhatsApp withholds the message.
    Policy,
    Account,
    Rate,
    /// An error of the provider or of WhatsApp.
    Provider,
    /// Queued longer than `send_before`.
    Expired,
    /// An undocumented code, or none.
    Unknown,
}
enum_words!(FailureClass, "a failure class");

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
    fn one_line_repeats_neither_code_nor_title() {
        for (reported, line) in [
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
                failure(UNREACHABLE, UNREACHABLE_TITLE, "Connection refused"),
                "the provider could not be reached: Connection refused",
            ),
            (failure(UNREACHABLE, "", ""), UNREACHABLE),
        ] {
            assert_eq!(reported.one_line(), line);
        }
    }
}
