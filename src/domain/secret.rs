//! Secrets (keys, tokens, passwords), and their removal from texts that are stored.

use std::borrow::Borrow;
use std::fmt;

/// A secret text. `Debug` and `Display` print `…`; only [`Secret::expose`] returns the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

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

/// Replaces a secret.
pub const REDACTED: &str = "…";

/// Removes secrets from texts.
#[derive(Clone, Debug)]
pub struct Redactor<S>(Vec<S>);

impl<S: Borrow<Secret>> Redactor<S> {
    /// Empty secrets are ignored.
    pub fn new(secrets: impl IntoIterator<Item = S>) -> Self {
        let mut secrets: Vec<S> = secrets
            .into_iter()
            .filter(|secret| !secret.borrow().expose().is_empty())
            .collect();
        sort_longest_first(&mut secrets);
        Self(secrets)
    }

    /// Replaces every secret by [`REDACTED`].
    pub fn hide(&self, text: &str) -> String {
        self.secrets_in(text).fold(text.to_owned(), |text, secret| {
            text.replace(secret.expose(), REDACTED)
        })
    }

    /// Whether the text contains a secret.
    pub fn contains_secret(&self, text: &str) -> bool {
        self.secrets_in(text).next().is_some()
    }

    /// The secrets that the text contains.
    pub fn secrets_in(&self, text: &str) -> impl Iterator<Item = &Secret> {
        // Most headers are shorter than a secret; searching them would still prepare the search.
        self.0.iter().map(Borrow::borrow).filter(move |secret| {
            let secret = secret.expose();
            secret.len() <= text.len() && text.contains(secret)
        })
    }
}

/// Sorts a secret before those it contains, so that no part of it remains.
pub(super) fn sort_longest_first<S: Borrow<Secret>>(secrets: &mut [S]) {
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.borrow().expose().len()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_secret_remains() {
        let redactor = Redactor::new(["key", "", "key-of-keys"].map(Secret::new));
        assert_eq!(redactor.hide("a key, a key-of-keys"), "a …, a …");
        assert!(redactor.contains_secret("monkeys") && !redactor.contains_secret("monks"));
    }
}
