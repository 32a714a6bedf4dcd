//! When each of several messages of a campaign is due that are queued together.

use chrono::TimeDelta;

use crate::domain::campaign::Campaign;
use crate::sending::accept::Acceptor;

/// One message after the other at the campaign's rate.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CampaignPace {
    /// Messages per second, the lower of the campaign's and the account's.
    rate: Option<f64>,
    queued: u32,
}

impl CampaignPace {
    pub fn of(campaign: &Campaign, acceptor: &Acceptor) -> Self {
        let rates = [campaign.rate, acceptor.rate(&campaign.account)];
        Self {
            rate: rates.into_iter().flatten().reduce(f64::min),
            queued: 0,
        }
    }

    /// How long the next message waits.
    pub(super) fn next_wait(&mut self) -> TimeDelta {
        let before = self.queued;
        self.queued += 1;
        let Some(rate) = self.rate else {
            return TimeDelta::zero();
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a million at 0.001 a second fit"
        )]
        TimeDelta::milliseconds((f64::from(before) / rate * 1000.0) as i64)
    }
}
