//! The error of every subcommand.

use std::error::Error;

use thiserror::Error as ErrorDerive;

/// `main` prints each line of it on stderr, prefixed with `bluetick: `.
pub type CommandError = Box<dyn Error + Send + Sync>;

/// An error with an exit status of its own; every other one ends with 1.
#[derive(Debug, ErrorDerive)]
#[error("{message}")]
pub struct ExitStatus {
    pub code: u8,
    pub message: String,
}
