//! Sentences and formats that several parts of an explanation share.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

pub(super) const ARRIVAL_UNKNOWN: &str = "Whether it arrived is not known.";
pub(super) const MARK_REPLACED: &str = "Reports take precedence over the mark.";
pub(super) const RESEND: &str = "Resend creates a new message with the same content.";
pub(super) const NOTHING_TO_RESEND: &str = "Nothing needs to be sent again.";

/// `2026-11-20 12:00:00 UTC`
pub(super) fn at(instant: DateTime<Utc>) -> String {
    instant
        .to_rfc3339_opts(SecondsFormat::Secs, true)
        .replace('T', " ")
        .replace('Z', " UTC")
}

/// `24 hours`, `90 minutes`, `30 seconds`
pub(super) fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    let (number, unit) = match seconds {
        0 => (0, "second"),
        _ if seconds.is_multiple_of(86_400) && seconds > 86_400 => (seconds / 86_400, "day"),
        _ if seconds.is_multiple_of(3_600) => (seconds / 3_600, "hour"),
        _ if seconds.is_multiple_of(60) => (seconds / 60, "minute"),
        _ => (seconds, "second"),
    };
    counted(number, unit)
}

/// `1 message`, `3 messages`
pub(super) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}
