//! Texts that must never be printed: keys, tokens, passwords; and taking them out of texts that are kept.

use std::fmt;

/// A secret text. `Debug` and `Display` show `…`; the text is reached only through [`Secret::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text that is secret from here on.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends or compares it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("…")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("…")
    }
}

/// What stands where a secret stood.
pub const REDACTED: &str = "…";

/// Takes secrets out of texts.
#[derive(Clone, Debug)]
pub struct Redactor(Vec<Secret>);

impl Redactor {
    /// For these secrets; an empty one hides nothing.
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Self {
        let mut secrets: Vec<Secret> = secrets
            .into_iter()
            .filter(|secret| !secret.expose().is_empty())
            .collect();
        longest_first(&mut secrets);
        Self(secrets)
    }

    /// The text with [`REDACTED`] in the place of every secret.
    pub fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| {
            text.replace(secret.expose(), REDACTED)
        })
    }

    /// Whether the text holds a secret.
    pub fn touches(&self, text: &str) -> bool {
        self.found(text).next().is_some()
    }

    /// The secrets that the text holds.
    pub fn found(&self, text: &str) -> impl Iterator<Item = &Secret> {
        self.0
            .iter()
            .filter(move |secret| text.contains(secret.expose()))
    }
}

/// A secret that contains another goes first, so that no rest of it stays.
pub(super) fn longest_first<S: std::borrow::Borrow<Secret>>(secrets: &mut [S]) {
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.borrow().expose().len()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rest_of_a_secret_stays() {
        let redactor = Redactor::new(["key", "", "key-of-keys"].map(Secret::new));
        assert_eq!(redactor.hide("a key, a key-of-keys"), "a …, a …");
        assert!(redactor.touches("monkeys") && !redactor.touches("monks"));
    }
}
