//! What is wrong with a configuration, key by key.

use std::fmt;

/// One thing that is wrong, under the key that mends it. Never names a secret.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{key}: {message}")]
pub struct Problem {
    /// The key from the top of the file: `accounts[1].api_key`; or the file or variable itself.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
}

/// Everything that is wrong with a configuration, at least one thing. Shown one a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigErrors(pub Vec<Problem>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.0.iter().enumerate() {
            if place > 0 {
                out.write_str("\n")?;
            }
            write!(out, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
