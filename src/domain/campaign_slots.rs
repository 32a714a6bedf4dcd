//! When the rate of a campaign allows its next messages. Whatever queues messages of a campaign takes
//! their slots from here: its recipients, what callers send, what is sent again or released after a
//! pause.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use crate::domain::campaign::Campaign;

/// After a pause of the process the rate may make up for so much time.
const CATCH_UP: TimeDelta = TimeDelta::seconds(1);
/// Longer than any campaign.
const LONGEST: f64 = 1e9;

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CampaignSlots {
    /// Messages per second.
    rate: f64,
    now: DateTime<Utc>,
    next: DateTime<Utc>,
}

impl CampaignSlots {
    /// `unsent` messages of the campaign are queued. A slot further ahead than they need was of
    /// messages that have been cancelled since, or is from before the clock was set back.
    pub fn new(campaign: &Campaign, rate: f64, unsent: u64, now: DateTime<Utc>) -> Self {
        let needed = interval(as_float(unsent) + 1.0, rate);
        let latest = now.checked_add_signed(CATCH_UP + needed);
        let next = campaign
            .next_slot_at
            .filter(|next| latest.is_none_or(|latest| *next <= latest));
        Self {
            rate,
            now,
            next: next.map_or(now, |next| next.max(now - CATCH_UP)),
        }
    }

    /// How many messages may be sent now.
    pub fn count_due(&self) -> u64 {
        if self.next > self.now {
            return 0;
        }
        whole((self.now - self.next).as_seconds_f64() * self.rate) + 1
    }

    /// For messages that are sent now.
    pub fn take_due(&mut self, number: u64) {
        self.next = self.after(as_float(number));
    }

    /// When the next message may be sent; not before now.
    pub fn take_next(&mut self) -> DateTime<Utc> {
        self.next = self.next.max(self.now);
        let slot = self.next;
        self.next = self.after(1.0);
        slot
    }

    pub fn store_in(&self, campaign: &mut Campaign) {
        // Rounded up, so that the rate is never exceeded.
        let up = self.next + TimeDelta::nanoseconds(999_999);
        campaign.next_slot_at = Some(up.trunc_subsecs(3));
    }

    fn after(&self, number: f64) -> DateTime<Utc> {
        let next = self.next.checked_add_signed(interval(number, self.rate));
        next.unwrap_or(self.next)
    }
}

fn interval(number: f64, rate: f64) -> TimeDelta {
    #[expect(clippy::cast_possible_truncation, reason = "limited")]
    TimeDelta::microseconds(((number / rate).min(LONGEST) * 1e6).ceil() as i64)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn as_float(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small and positive"
)]
fn whole(number: f64) -> u64 {
    number as u64
}
