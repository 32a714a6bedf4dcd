//! The table `retention`: how long callbacks and messages are kept.

use crate::config::table_reader::TableReader;

/// A hundred years. A larger number is a typo.
const MAX_RETENTION_DAYS: u32 = 36_500;

/// How many days data is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionDays {
    pub callbacks: u32,
    /// Messages and everything that belongs to them.
    pub messages: u32,
}

impl Default for RetentionDays {
    fn default() -> Self {
        Self {
            callbacks: 90,
            messages: 400,
        }
    }
}

pub(super) fn read_retention(table: &mut TableReader<'_, '_>) -> RetentionDays {
    let defaults = RetentionDays::default();
    let callbacks = table.whole_number("callbacks", 1..=MAX_RETENTION_DAYS);
    let messages = table.whole_number("messages", 1..=MAX_RETENTION_DAYS);
    let messages = messages.unwrap_or(defaults.messages);
    let retention = RetentionDays {
        callbacks: callbacks.unwrap_or(defaults.callbacks.min(messages)),
        messages,
    };
    if retention.messages < retention.callbacks {
        // Replaying a callback would otherwise create a purged message again.
        let days = retention.callbacks;
        table.problem(
            "messages",
            format!("must not be less than retention.callbacks ({days}): a message must outlive its callbacks"),
        );
    }
    retention
}
