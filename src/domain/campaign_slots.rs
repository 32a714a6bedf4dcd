//! When the rate of a campaign allows its next messages. All code that queues messages of a
//! campaign takes their slots from here: for its recipients, for messages of callers, for resends,
//! and for messages released after a pause.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use crate::domain::campaign::Campaign;

/// After a pause of the process, at most this much missed time is made up for.
const CATCH_UP_LIMIT: TimeDelta = TimeDelta::seconds(1);
/// In seconds; longer than any campaign.
const LONGEST_INTERVAL: f64 = 1e9;

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CampaignSlots {
    /// Messages per second.
    rate: f64,
    now: DateTime<Utc>,
    next: DateTime<Utc>,
}

impl CampaignSlots {
    /// `unsent` messages of the campaign are queued. A stored slot later than these need is
    /// ignored: messages were cancelled since, or the clock was set back.
    pub fn new(campaign: &Campaign, rate: f64, unsent: u64, now: DateTime<Utc>) -> Self {
        let needed = interval(as_float(unsent) + 1.0, rate);
        let latest = now.checked_add_signed(CATCH_UP_LIMIT + needed);
        let next = campaign
            .next_slot_at
            .filter(|next| latest.is_none_or(|latest| *next <= latest));
        Self {
            rate,
            now,
            next: next.map_or(now, |next| next.max(now - CATCH_UP_LIMIT)),
        }
    }

    /// How many messages may be sent now.
    pub fn count_due(&self) -> u64 {
        if self.next > self.now {
            return 0;
        }
        whole((self.now - self.next).as_seconds_f64() * self.rate) + 1
    }

    /// Uses up the slots of messages that are sent now.
    pub fn take_due(&mut self, number: u64) {
        self.next = self.slot_after(as_float(number));
    }

    /// When the next message may be sent; not before now.
    pub fn take_next(&mut self) -> DateTime<Utc> {
        self.next = self.next.max(self.now);
        let slot = self.next;
        self.next = self.slot_after(1.0);
        slot
    }

    pub fn store_in(&self, campaign: &mut Campaign) {
        // Rounded up, so that the rate is never exceeded.
        let rounded = self.next + TimeDelta::nanoseconds(999_999);
        campaign.next_slot_at = Some(rounded.trunc_subsecs(3));
    }

    fn slot_after(&self, number: f64) -> DateTime<Utc> {
        let next = self.next.checked_add_signed(interval(number, self.rate));
        next.unwrap_or(self.next)
    }
}

fn interval(number: f64, rate: f64) -> TimeDelta {
    #[expect(clippy::cast_possible_truncation, reason = "limited")]
    TimeDelta::microseconds(((number / rate).min(LONGEST_INTERVAL) * 1e6).ceil() as i64)
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
