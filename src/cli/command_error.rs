//! The error of every subcommand.

use std::error::Error;

/// Printed on stderr, one line per line of its text.
pub type CommandError = Box<dyn Error + Send + Sync>;
