//! How many messages the invented shop sent in each past hour, and their outcomes: days and nights,
//! weekends, two mailings a week, three incidents, and reports that match no message.

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc, Weekday};

use crate::domain::media::MediaKind;
use crate::domain::provider::ProviderId;
use crate::simulator::event_plan::{EventKind, PlannedEvent};
use crate::simulator::failure_reason::{MEDIA_UPLOAD, pick_failure_reason};
use crate::simulator::seeded_rng::SeededRng;

/// Most customers live five and a half hours east of Greenwich.
const LOCAL_TIME: TimeDelta = TimeDelta::minutes(330);
/// Messages of a mailing, and the local hour in which it is sent.
const MAILING_SIZE: u64 = 160;
const MAILING_HOUR: u32 = 11;

/// How many hours ago an order left in two parcels. Recent enough that the reports are not adopted.
const TWO_PARCEL_HOURS: [i64; 2] = [3, 8];

#[derive(Clone, Copy, Debug)]
pub(super) struct HistorySubmission {
    pub(super) provider: ProviderId,
    pub(super) kind: MediaKind,
    pub(super) submitted_at: DateTime<Utc>,
    /// When the history ends.
    pub(super) end: DateTime<Utc>,
}

/// Messages that an account sends in the hour that begins at `hour`.
pub(super) fn count_in_hour(provider: ProviderId, hour: DateTime<Utc>, rng: &mut SeededRng) -> u64 {
    let local = hour + LOCAL_TIME;
    let ordinary = match provider {
        ProviderId::Kaleyra => 9.0,
        ProviderId::Sobot => 6.0,
        ProviderId::Zixflow => 5.0,
        ProviderId::LancePilot => 4.0,
    };
    let hour_factor = match local.hour() {
        0..7 => 0.1,
        7..10 | 21..24 => 0.6,
        18..21 => 1.7,
        _ => 1.2,
    };
    let is_weekend = matches!(local.weekday(), Weekday::Sat | Weekday::Sun);
    let day_factor = if is_weekend { 0.55 } else { 1.0 };
    let wanted = ordinary * hour_factor * day_factor * rng.between(0.7, 1.3);
    // Rounded up with the probability of the rest.
    let (whole, rest) = (wanted.trunc(), wanted.fract());
    let ordinary = whole_number(whole) + u64::from(rng.chance(rest));
    let is_mailing = provider == ProviderId::Kaleyra
        && local.hour() == MAILING_HOUR
        && matches!(local.weekday(), Weekday::Tue | Weekday::Fri);
    ordinary + if is_mailing { MAILING_SIZE } else { 0 }
}

/// Whether two messages went to the same customer at once. LancePilot's replies contain no id, so
/// neither report can be matched by its recipient: both stay unmatched.
pub(super) fn is_two_parcel_hour(
    provider: ProviderId,
    hour: DateTime<Utc>,
    end: DateTime<Utc>,
) -> bool {
    provider == ProviderId::LancePilot && TWO_PARCEL_HOURS.contains(&(end - hour).num_hours())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small number of messages, never negative"
)]
fn whole_number(number: f64) -> u64 {
    number as u64
}

impl HistorySubmission {
    fn is_hours_ago(&self, first: i64, last: i64) -> bool {
        (first..last).contains(&(self.end - self.submitted_at).num_hours())
    }

    /// The host of Kaleyra's videos was unreachable for a few hours, two days ago.
    fn failure_share(&self) -> f64 {
        match self.provider {
            ProviderId::Kaleyra if self.kind == MediaKind::Video && self.is_hours_ago(42, 48) => {
                0.7
            }
            ProviderId::Kaleyra => 0.035,
            ProviderId::Sobot => 0.02,
            ProviderId::Zixflow | ProviderId::LancePilot => 0.028,
        }
    }

    /// Zixflow lost reports yesterday.
    fn silent_share(&self) -> f64 {
        match self.provider {
            ProviderId::Zixflow if self.is_hours_ago(26, 30) => 0.6,
            _ => 0.001,
        }
    }

    /// Factor of the times up to `delivered`. LancePilot is the slowest, and was slower last week.
    fn slowness(&self) -> f64 {
        match self.provider {
            ProviderId::LancePilot if self.is_hours_ago(150, 162) => 30.0,
            ProviderId::LancePilot => 4.0,
            ProviderId::Zixflow => 1.4,
            ProviderId::Kaleyra | ProviderId::Sobot => 1.0,
        }
    }

    /// Every event of the message, including those after the end of the history.
    pub(super) fn plan(&self, rng: &mut SeededRng) -> Vec<PlannedEvent> {
        let mut plan = Plan {
            began: self.submitted_at,
            seconds: 0.0,
            events: Vec::new(),
        };
        if rng.chance(self.silent_share()) {
            return plan.events;
        }
        let slowness = self.slowness();
        if self.provider == ProviderId::LancePilot {
            plan.add(EventKind::Echo, rng.between(0.1, 0.4));
        }
        let fails = rng.chance(self.failure_share());
        let reason = if fails && self.failure_share() > 0.5 {
            &MEDIA_UPLOAD
        } else {
            pick_failure_reason(rng)
        };
        if !fails || reason.after_sent {
            plan.add(EventKind::Sent, rng.between(0.4, 2.5) * slowness);
        }
        if fails {
            plan.add(EventKind::Failed(reason), rng.between(0.8, 9.0));
            return plan.events;
        }
        let delivery = if rng.chance(0.1) {
            // The phone was off.
            spread(rng, 600.0, 18_000.0)
        } else {
            spread(rng, 1.5, 20.0) * slowness
        };
        plan.add(EventKind::Delivered, delivery);
        if rng.chance(0.74) {
            plan.add(EventKind::Read, spread(rng, 20.0, 14_000.0));
            if self.kind == MediaKind::Video && rng.chance(0.45) {
                plan.add(EventKind::Played, rng.between(2.0, 60.0));
            }
            if rng.chance(0.06) {
                plan.add(EventKind::CustomerReply, rng.between(8.0, 300.0));
            }
        }
        plan.events
    }
}

/// A random number between `low` and `high`; small ones are more likely.
fn spread(rng: &mut SeededRng, low: f64, high: f64) -> f64 {
    rng.between(low.ln(), high.ln()).exp()
}

struct Plan {
    began: DateTime<Utc>,
    seconds: f64,
    events: Vec<PlannedEvent>,
}

impl Plan {
    fn add(&mut self, kind: EventKind, seconds: f64) {
        self.seconds += seconds;
        let after = std::time::Duration::from_secs_f64(self.seconds);
        self.events.push(PlannedEvent {
            kind,
            after,
            at: Some(self.began + TimeDelta::from_std(after).unwrap_or_default()),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: &str = "2026-11-27T12:00:00Z";

    fn submission(provider: ProviderId, kind: MediaKind, hours_ago: i64) -> HistorySubmission {
        let end: DateTime<Utc> = END.parse().unwrap();
        HistorySubmission {
            provider,
            kind,
            submitted_at: end - TimeDelta::hours(hours_ago),
            end,
        }
    }

    fn share(submission: HistorySubmission, counts: impl Fn(&[PlannedEvent]) -> bool) -> f64 {
        let planned = (0..400).map(|ordinal| {
            let mut rng = SeededRng::new(7, "shape", ordinal, "outcome");
            submission.plan(&mut rng)
        });
        f64::from(u32::try_from(planned.filter(|plan| counts(plan)).count()).unwrap()) / 400.0
    }

    fn fails(plan: &[PlannedEvent]) -> bool {
        plan.iter()
            .any(|event| matches!(event.kind, EventKind::Failed(_)))
    }

    #[test]
    fn incidents_happen_only_in_their_hours() {
        let videos = |ago| submission(ProviderId::Kaleyra, MediaKind::Video, ago);
        assert!(share(videos(45), fails) > 0.5);
        assert!(share(videos(200), fails) < 0.1);
        let silent = |plan: &[PlannedEvent]| plan.is_empty();
        let zixflow = |ago| submission(ProviderId::Zixflow, MediaKind::Image, ago);
        assert!(share(zixflow(28), silent) > 0.4);
        assert!(share(zixflow(60), silent) < 0.02);
    }

    #[test]
    fn nights_are_quiet_and_mailings_are_not() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let count = |hour| {
            let mut rng = SeededRng::new(7, "kaleyra", 1, "volume");
            count_in_hour(ProviderId::Kaleyra, at(hour), &mut rng)
        };
        assert!(count("2026-11-26T21:00:00Z") <= 2);
        assert!(count("2026-11-26T13:00:00Z") >= 8);
        assert!(count("2026-11-24T05:30:00Z") >= MAILING_SIZE);
    }
}
