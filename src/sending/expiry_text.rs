//! Parses how long a message may stay queued: until an instant, or for a duration.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::rfc3339;

const LONGEST: TimeDelta = TimeDelta::days(366);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum GivenExpiry {
    At(DateTime<Utc>),
    After(TimeDelta),
}

/// RFC 3339, or a duration such as `2h` of at most 366 days. The error is to follow the field's name.
pub(super) fn parse(text: &str) -> Result<GivenExpiry, String> {
    let text = text.trim();
    if let Ok(at) = rfc3339::parse(text) {
        return Ok(GivenExpiry::At(at));
    }
    humantime::parse_duration(text)
        .ok()
        .and_then(|time| TimeDelta::from_std(time).ok())
        .filter(|time| *time > TimeDelta::zero() && *time <= LONGEST)
        .map(GivenExpiry::After)
        .ok_or_else(|| format!("`{text}` is neither an RFC 3339 instant nor a duration such as 2h"))
}

impl GivenExpiry {
    /// From `now` on. The error is to follow the field's name.
    pub(super) fn time_left(self, now: DateTime<Utc>) -> Result<TimeDelta, String> {
        match self {
            Self::After(time) => Ok(time),
            Self::At(at) if at <= now => Err("is not in the future".to_owned()),
            Self::At(at) if at - now > LONGEST => {
                Err(format!("is more than {} days ahead", LONGEST.num_days()))
            }
            Self::At(at) => Ok(at - now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time_left(text: &str) -> Result<TimeDelta, String> {
        parse(text)?.time_left("2026-11-20T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_duration_or_an_instant_gives_the_time_left() {
        assert_eq!(time_left("2h"), Ok(TimeDelta::hours(2)));
        assert_eq!(time_left(" 90min "), Ok(TimeDelta::minutes(90)));
        assert_eq!(
            time_left("2026-11-20T18:30:00+05:30"),
            Ok(TimeDelta::hours(1))
        );
    }

    #[test]
    fn an_expiry_that_is_past_too_far_or_malformed_is_rejected() {
        for (text, expected) in [
            ("2026-11-20T12:00:00Z", "is not in the future"),
            ("2028-01-01T00:00:00Z", "is more than 366 days ahead"),
            ("soon", "`soon` is neither"),
            ("0s", "`0s` is neither"),
            ("400days", "`400days` is neither"),
        ] {
            let error = time_left(text).unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }
}
