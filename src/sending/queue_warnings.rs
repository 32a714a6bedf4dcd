//! Warns the caller that a message may not be sent in time: its account is paused or stopped, or the
//! queue is too long.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;

use crate::db;
use crate::domain::ids::AccountId;
use crate::domain::message_warning::{MessageWarning, WarningCode};
use crate::domain::provider_account::Account;
use crate::domain::scope::Visibility;
use crate::domain::send_flow::SendFlow;
use crate::store::Store;
use crate::store::account_records::Pause;
use crate::store::send_queue::QueuePart;

/// How long a counted queue length is used.
const MAX_COUNT_AGE: TimeDelta = TimeDelta::seconds(2);

/// Counts the queue of an account at most every `MAX_COUNT_AGE`; one caller counts, the others wait for
/// it.
#[derive(Clone, Debug, Default)]
pub struct QueueWarnings(Arc<Mutex<CountedQueues>>);

/// When each queue was counted, and its length.
type CountedQueues = HashMap<(AccountId, QueuePart), (DateTime<Utc>, u64)>;

/// Where a message would wait.
#[derive(Clone, Copy, Debug)]
pub struct QueuePlace {
    /// The messages that are sent before it.
    pub ahead: QueuePart,
    /// Messages per second.
    pub rate: f64,
    pub max_wait: TimeDelta,
}

/// A warning if the account is paused or its circuit breaker is open.
pub fn stopped_account_warning(
    account: &Account,
    pause: Option<&Pause>,
    flow: &SendFlow,
) -> Option<MessageWarning> {
    let id = &account.id;
    // Providers quote the recipients of other messages.
    let masked = |text: &str| Visibility::Masked.mask_text(text);
    if let Some(pause) = pause {
        let reason = masked(&pause.reason);
        let reason = reason.trim_end_matches('.');
        let text = format!("account {id} is paused: {reason}; the message waits");
        return Some(MessageWarning::new(WarningCode::AccountPaused, text));
    }
    let hold = masked(&flow.hold_text()?);
    let hold = hold.trim_end_matches('.');
    let text = format!("account {id}: {hold}; the message waits");
    Some(MessageWarning::new(WarningCode::AccountTripped, text))
}

impl QueueWarnings {
    /// A warning if a message of this account would expire in the queue.
    pub async fn find(
        &self,
        store: &Store,
        account: &Account,
        place: QueuePlace,
        now: DateTime<Utc>,
    ) -> Result<Option<MessageWarning>, db::Error> {
        let QueuePlace {
            ahead,
            rate,
            max_wait,
        } = place;
        let id = &account.id;
        let queued = self.count(store, id, ahead, now).await?;
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let wait = queued as f64 / rate;
        let max_wait = max_wait.to_std().unwrap_or_default();
        Ok((wait > max_wait.as_secs_f64()).then(|| {
            let text = format!(
                "{queued} messages are queued for account {id}, which sends {rate:.1} a second: this one will expire after {}",
                humantime::format_duration(max_wait)
            );
            MessageWarning::new(WarningCode::WillExpire, text)
        }))
    }

    async fn count(
        &self,
        store: &Store,
        account: &AccountId,
        ahead: QueuePart,
        now: DateTime<Utc>,
    ) -> Result<u64, db::Error> {
        let mut counted = self.0.lock().await;
        let key = (account.clone(), ahead);
        if let Some((counted_at, count)) = counted.get(&key)
            && (now - *counted_at).abs() < MAX_COUNT_AGE
        {
            return Ok(*count);
        }
        let count = store.count_queued(account, ahead).await?;
        counted.insert(key, (now, count));
        Ok(count)
    }
}
