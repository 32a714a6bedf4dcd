//! Which deliveries of a sender are the free ones of a month: the first of those that need a rate,
//! in the order in which the messages were first attempted.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::db::Error;
use crate::domain::account_limit::AccountLimit;
use crate::domain::campaign::CampaignId;
use crate::domain::charge::Charge;
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::media::MediaKind;
use crate::store::Store;
use crate::store::bucket_counts::{Period, QUARTER_HOUR};
use crate::store::charges::ChargeCount;

/// Account, sender, and the start of a month.
pub(super) type SenderMonth = (AccountId, String, DateTime<Utc>);

/// Deliveries are counted separately by these.
type CountKey = (Option<MediaKind>, Option<CampaignId>, Charge);

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum FreeDeliveries {
    /// The month has fewer deliveries than free ones.
    All,
    Until(LastFree),
}

/// Where the free deliveries of a month end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct LastFree {
    /// Start of the quarter hour in which they end. Those before are all free, those after are not.
    pub(super) quarter_hour: DateTime<Utc>,
    /// The last message with a free delivery in that quarter hour, and how many it has.
    message: Option<(DateTime<Utc>, MessageId, i64)>,
    /// The free deliveries of that quarter hour.
    counts: BTreeMap<CountKey, i64>,
}

/// Finds the free deliveries of a month that ends at `end`, of which there are at most `limit`.
pub(super) async fn find(
    store: &Store,
    (account, sender, month): &SenderMonth,
    end: DateTime<Utc>,
    limit: i64,
) -> Result<FreeDeliveries, Error> {
    let period = Period {
        from: *month,
        to: end,
        account: Some(account.clone()),
        limit: AccountLimit::default(),
    };
    let mut left = limit;
    for quarter_hour in store.list_charged_quarter_hours(&period, sender).await? {
        if quarter_hour.deliveries > left {
            let last = find_last(store, account, sender, quarter_hour.start, left).await?;
            return Ok(FreeDeliveries::Until(last));
        }
        left -= quarter_hour.deliveries;
    }
    Ok(FreeDeliveries::All)
}

/// `left` of the deliveries of the quarter hour are free.
async fn find_last(
    store: &Store,
    account: &AccountId,
    sender: &str,
    quarter_hour: DateTime<Utc>,
    mut left: i64,
) -> Result<LastFree, Error> {
    let mut last = LastFree {
        quarter_hour,
        message: None,
        counts: BTreeMap::new(),
    };
    if left == 0 {
        return Ok(last);
    }
    let messages = store.list_charged_messages(account, sender, quarter_hour, left);
    for message in messages.await? {
        let free = message.deliveries.min(left);
        left -= free;
        last.message = Some((message.counted_at, message.id, free));
        let key = (message.kind, message.campaign, message.charge);
        *last.counts.entry(key).or_default() += free;
    }
    if left > 0 {
        take_from_counts(store, account, sender, left, &mut last).await?;
    }
    Ok(last)
}

/// Takes the rest of the free deliveries from any counts of the quarter hour, because messages of
/// it were purged and only their counts kept.
async fn take_from_counts(
    store: &Store,
    account: &AccountId,
    sender: &str,
    mut left: i64,
    last: &mut LastFree,
) -> Result<(), Error> {
    let period = Period {
        from: last.quarter_hour,
        to: last.quarter_hour + QUARTER_HOUR,
        account: Some(account.clone()),
        limit: AccountLimit::default(),
    };
    for (_, count) in store.sum_charges(&period, &[period.from], None).await? {
        if count.charge.sender != sender || !count.charge.needs_rate() {
            continue;
        }
        let key = (count.kind, count.campaign, count.charge);
        let taken = last.counts.entry(key).or_default();
        let free = left.min(count.deliveries - *taken);
        *taken += free;
        left -= free;
    }
    Ok(())
}

impl FreeDeliveries {
    /// How many deliveries of a message are free.
    pub(super) fn of_message(
        &self,
        counted_at: DateTime<Utc>,
        id: MessageId,
        deliveries: i64,
    ) -> i64 {
        let Self::Until(last) = self else {
            return deliveries;
        };
        if counted_at < last.quarter_hour {
            return deliveries;
        }
        match last.message {
            Some((at, last_id, free)) if (counted_at, id) == (at, last_id) => free,
            Some((at, last_id, _)) if (counted_at, id) < (at, last_id) => deliveries,
            Some(_) | None => 0,
        }
    }

    /// How many of these deliveries, counted from `from` on, are free. They lie entirely before, in
    /// or after the quarter hour in which the free ones end.
    pub(super) fn of_count(&self, from: DateTime<Utc>, count: &ChargeCount) -> i64 {
        let Self::Until(last) = self else {
            return count.deliveries;
        };
        match from.cmp(&last.quarter_hour) {
            std::cmp::Ordering::Less => count.deliveries,
            std::cmp::Ordering::Greater => 0,
            std::cmp::Ordering::Equal => {
                let key = (count.kind, count.campaign.clone(), count.charge.clone());
                last.counts.get(&key).copied().unwrap_or_default()
            }
        }
    }
}
