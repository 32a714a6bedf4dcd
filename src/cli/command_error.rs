//! The error of every subcommand.

use std::error::Error as StdError;

use thiserror::Error;

/// `main` prints each line of it on stderr, prefixed with `bluetick: `.
pub type CommandError = Box<dyn StdError + Send + Sync>;

/// An error with its own exit status; the status of all others is 1.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct ErrorWithStatus {
    pub code: u8,
    pub message: String,
}
