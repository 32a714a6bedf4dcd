//! Instants as callers write them: RFC 3339. What providers write is read by their readers.

use chrono::{DateTime, Utc};

/// A text that is no instant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be an RFC 3339 instant such as 2026-11-20T10:00:00Z")]
pub struct InstantError;

/// Reads an instant; the `+` of its offset arrives as a space where nobody encoded it.
pub fn parse(text: &str) -> Result<DateTime<Utc>, InstantError> {
    DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_rfc3339(&text.replacen(' ', "+", 1)))
        .map(|at| at.to_utc())
        .map_err(|_| InstantError)
}
