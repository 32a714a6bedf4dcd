//! The error of every subcommand.

use std::error::Error;

/// `main` prints each line of it on stderr, prefixed with `bluetick: `.
pub type CommandError = Box<dyn Error + Send + Sync>;
