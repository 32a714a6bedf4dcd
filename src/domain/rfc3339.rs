//! Instants in API requests: RFC 3339. Provider formats are in `providers::vocabulary`.

use chrono::{DateTime, Utc};

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be an RFC 3339 instant such as 2026-11-20T10:00:00Z")]
pub struct InstantError;

/// Parses an instant. In a query string an unencoded `+` of the offset arrives as a space.
pub fn parse(text: &str) -> Result<DateTime<Utc>, InstantError> {
    DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_rfc3339(&text.replacen(' ', "+", 1)))
        .map(|at| at.to_utc())
        .map_err(|_| InstantError)
}
