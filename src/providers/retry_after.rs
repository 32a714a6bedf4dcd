//! The `Retry-After` of a reply.

use std::time::Duration;

use chrono::DateTime;

use crate::providers::protocol::HttpReply;

/// How long to wait, if the header is present and a number of seconds; see [`in_seconds`].
pub(super) fn delay(reply: &HttpReply) -> Option<Duration> {
    let seconds = reply.header("retry-after")?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// A `Retry-After` in seconds. A time becomes the seconds since the `Date` of the same reply, so
/// that a server with another clock is understood.
pub(crate) fn in_seconds(retry_after: &str, date: Option<&str>) -> String {
    let time = |text: &str| DateTime::parse_from_rfc2822(text.trim()).ok();
    let until = time(retry_after).zip(date.and_then(time));
    until.map_or_else(
        || retry_after.to_owned(),
        |(until, now)| (until - now).num_seconds().max(0).to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_after_is_seconds_whatever_its_form() {
        let date = Some("Fri, 20 Nov 2026 12:00:00 GMT");
        for (given, date, seconds) in [
            ("17", date, "17"),
            ("Fri, 20 Nov 2026 12:01:30 GMT", date, "90"),
            ("Fri, 20 Nov 2026 11:00:00 GMT", date, "0"),
            ("soon", date, "soon"),
            (
                "Fri, 20 Nov 2026 12:01:30 GMT",
                None,
                "Fri, 20 Nov 2026 12:01:30 GMT",
            ),
        ] {
            assert_eq!(in_seconds(given, date), seconds, "{given}");
        }
    }
}
