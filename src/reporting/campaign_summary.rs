//! A campaign with its results: counts per state, failures by reason, speed, expected end.

use chrono::{DateTime, TimeDelta, Utc};

use crate::db;
use crate::domain::campaign::{Campaign, CampaignState};
use crate::domain::delivery_state::DeliveryState;
use crate::domain::failure_codes;
use crate::store::Store;
use crate::store::campaigns::{DeliveryTimes, FailureGroup};
use crate::store::page_counts::CountsByState;

/// The speed is measured over this time.
const SPEED_WINDOW: TimeDelta = TimeDelta::minutes(2);

#[derive(Clone, PartialEq, Debug)]
pub struct CampaignSummary {
    pub campaign: Campaign,
    /// Includes recipients without a message yet: as queued, or as cancelled with their campaign.
    pub states: CountsByState,
    pub failures: Vec<FailureGroup>,
    pub times: DeliveryTimes,
    /// Messages that left the queue per second, recently.
    pub speed: Option<f64>,
    pub expected_end: Option<DateTime<Utc>>,
}

pub async fn summarize(
    store: &Store,
    campaign: Campaign,
    now: DateTime<Utc>,
) -> Result<CampaignSummary, db::Error> {
    let states = count_states(store, &campaign).await?;
    let failures = store.count_campaign_failures(&campaign.id).await?;
    let times = store.list_delivery_times(&campaign.id).await?;
    let mut summary = CampaignSummary {
        campaign,
        states,
        failures,
        times,
        speed: None,
        expected_end: None,
    };
    if summary.campaign.state == CampaignState::Running {
        let since = summary.campaign.started_at.unwrap_or(now);
        let since = since.max(now - SPEED_WINDOW);
        let submitted = store
            .count_submitted_since(&summary.campaign.id, since)
            .await?;
        let time = as_float((now - since).num_milliseconds().max(0).unsigned_abs()) / 1000.0;
        let speed = as_float(submitted) / time.max(1.0);
        summary.speed = Some(speed);
        summary.expected_end = expected_end(summary.unsent(), speed, now);
    }
    Ok(summary)
}

/// The messages and the waiting recipients of a campaign, by state.
pub async fn count_states(store: &Store, campaign: &Campaign) -> Result<CountsByState, db::Error> {
    let mut states = store.count_campaign_states(&campaign.id).await?;
    let waiting = i64::try_from(campaign.recipients.waiting()).unwrap_or(i64::MAX);
    if waiting > 0 {
        let state = match campaign.state {
            CampaignState::Cancelled => DeliveryState::Cancelled,
            _ => DeliveryState::Queued,
        };
        *states.entry(state).or_default() += waiting;
    }
    Ok(states)
}

impl CampaignSummary {
    pub fn total(&self) -> u64 {
        self.sum(|_| true)
    }

    /// Messages that failed in the queue, without an attempt.
    pub fn failed_in_queue(&self) -> u64 {
        let in_queue = self.failures.iter().filter(|group| {
            let code = group.code.as_deref();
            code.is_some_and(failure_codes::is_queue_code)
        });
        in_queue.map(|group| group.messages).sum()
    }

    /// Messages that have not left the queue, and recipients without a message yet.
    pub fn unsent(&self) -> u64 {
        self.sum(|state| matches!(state, DeliveryState::Queued | DeliveryState::Sending))
    }

    fn sum(&self, counts: impl Fn(DeliveryState) -> bool) -> u64 {
        let counted = self.states.iter().filter(|(state, _)| counts(**state));
        counted
            .map(|(_, messages)| u64::try_from(*messages).unwrap_or_default())
            .sum()
    }
}

fn expected_end(unsent: u64, speed: f64, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if unsent == 0 || speed <= 0.0 {
        return None;
    }
    let seconds = (as_float(unsent) / speed).min(365.0 * 86_400.0);
    #[expect(clippy::cast_possible_truncation, reason = "at most a year")]
    Some(now + TimeDelta::seconds(seconds.ceil() as i64))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of messages stay far below 2^52"
)]
fn as_float(number: u64) -> f64 {
    number as f64
}
