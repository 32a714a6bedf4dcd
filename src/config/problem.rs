//! Configuration errors, by key.

use std::fmt;

/// Minimum similarity (Jaro-Winkler) for "did you mean".
const MIN_SIMILARITY: f64 = 0.75;

/// What is wrong with one key. Never contains a secret.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{key}: {message}")]
pub struct ConfigProblem {
    /// Full key such as `accounts[1].api_key`, or the file or environment variable.
    pub key: String,
    pub message: String,
}

/// At least one problem; displayed one per line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigErrors(pub Vec<ConfigProblem>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                out.write_str("\n")?;
            }
            write!(out, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Message for an unknown key, with the most similar known one, and the place where the key is known.
pub(super) fn unknown_key(name: &str, known: &[&str], place: Option<&str>) -> String {
    match (nearest(name, known), place) {
        (Some(word), Some(place)) => {
            format!("unknown key; it belongs {place}, or did you mean {word}?")
        }
        (None, Some(place)) => format!("unknown key; it belongs {place}"),
        (Some(word), None) => format!("unknown key, did you mean {word}?"),
        (None, None) => "unknown key".to_owned(),
    }
}

/// The most similar of some words, if one is similar.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let nearest = known
        .iter()
        .map(|key| (strsim::jaro_winkler(name, key), key))
        .max_by(|one, other| one.0.total_cmp(&other.0));
    nearest
        .filter(|(similarity, _)| *similarity >= MIN_SIMILARITY)
        .map(|(_, key)| *key)
}
