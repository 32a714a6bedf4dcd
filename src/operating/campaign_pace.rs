//! Computes when each message of a campaign is due, for messages that are queued together.

use chrono::{DateTime, Utc};

use crate::db;
use crate::domain::campaign::Campaign;
use crate::domain::campaign_slots::CampaignSlots;
use crate::sending::accept::Acceptor;
use crate::store::ledger::Ledger;

/// Spaces messages at the lower of the campaign's and the account's rate, in slots that are shared
/// by the whole campaign. Used within one transaction.
#[derive(Clone, Debug)]
pub(super) struct CampaignPace {
    campaign: Campaign,
    /// `None` without a rate.
    slots: Option<CampaignSlots>,
    now: DateTime<Utc>,
}

impl CampaignPace {
    /// `campaign` must have been read in the same transaction.
    pub(super) async fn new(
        campaign: Campaign,
        acceptor: &Acceptor,
        ledger: &Ledger,
    ) -> Result<Self, db::Error> {
        let now = ledger.now();
        let rates = [campaign.rate, acceptor.rate(&campaign.account)];
        let slots = match rates.into_iter().flatten().reduce(f64::min) {
            Some(rate) => {
                let unsent = ledger.count_unsent(&campaign.id).await?;
                Some(CampaignSlots::new(&campaign, rate, unsent, now))
            }
            None => None,
        };
        Ok(Self {
            campaign,
            slots,
            now,
        })
    }

    pub(super) fn next_due_at(&mut self) -> DateTime<Utc> {
        match &mut self.slots {
            Some(slots) => slots.take_next(),
            None => self.now,
        }
    }

    /// Stores the next free slot of the campaign.
    pub(super) async fn store(mut self, ledger: &mut Ledger) -> Result<(), db::Error> {
        let Some(slots) = self.slots else {
            return Ok(());
        };
        slots.store_in(&mut self.campaign);
        ledger.update_campaign(&self.campaign).await
    }
}
