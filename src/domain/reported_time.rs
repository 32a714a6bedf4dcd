//! A time by a provider's clock, as it was written: with a zone or without one.

use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReportedTime {
    /// An epoch number, or a time with its zone.
    Instant(DateTime<Utc>),
    /// Without a zone: the account's `provider_time_zone` applies.
    Local(NaiveDateTime),
}

impl ReportedTime {
    /// The instant. In an hour that a zone repeats, the first of the two; in an hour that it skips,
    /// one by the zone's offset from shortly before or after.
    pub fn in_zone(self, zone: Tz) -> DateTime<Utc> {
        let local = match self {
            Self::Instant(at) => return at,
            Self::Local(local) => local,
        };
        match zone.from_local_datetime(&local) {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => at.to_utc(),
            LocalResult::None => {
                let offset = zone.offset_from_utc_datetime(&local).fix();
                local.checked_sub_offset(offset).unwrap_or(local).and_utc()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(text: &str, zone: Tz) -> String {
        let written = text.parse().unwrap();
        ReportedTime::Local(written).in_zone(zone).to_rfc3339()
    }

    #[test]
    fn a_time_without_a_zone_is_in_the_zone_of_the_account() {
        for (zone, expected) in [
            (Tz::UTC, "2026-11-28T03:50:50+00:00"),
            (Tz::Asia__Kolkata, "2026-11-27T22:20:50+00:00"),
            (Tz::America__Sao_Paulo, "2026-11-28T06:50:50+00:00"),
        ] {
            assert_eq!(local("2026-11-28T03:50:50", zone), expected);
        }
        let instant = ReportedTime::Instant(DateTime::UNIX_EPOCH);
        assert_eq!(instant.in_zone(Tz::Asia__Kolkata), DateTime::UNIX_EPOCH);
    }

    #[test]
    fn repeated_and_skipped_hours_have_one_instant_each() {
        let berlin = Tz::Europe__Berlin;
        assert_eq!(
            local("2026-10-25T02:30:00", berlin),
            "2026-10-25T00:30:00+00:00"
        );
        let skipped = local("2026-03-29T02:30:00", berlin);
        assert!(skipped.starts_with("2026-03-29T0"), "{skipped}");
        for extreme in [NaiveDateTime::MIN, NaiveDateTime::MAX] {
            for zone in [Tz::UTC, Tz::Asia__Kolkata, Tz::America__Sao_Paulo] {
                ReportedTime::Local(extreme).in_zone(zone);
            }
        }
    }
}
