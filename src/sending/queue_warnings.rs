//! Warns the sender of a message that may not be sent in time: its account is paused or stopped, or
//! the queue is too long.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;

use crate::db;
use crate::domain::ids::AccountId;
use crate::domain::message_warning::{MessageWarning, WarningCode};
use crate::domain::provider_account::Account;
use crate::domain::scope::Visibility;
use crate::store::Store;
use crate::store::send_queue::QueuePart;

/// How long a counted queue length is used.
const COUNT_AGE: TimeDelta = TimeDelta::seconds(2);

/// Counts the queue of an account at most every `COUNT_AGE`; one caller counts, the others wait for
/// it.
#[derive(Clone, Debug, Default)]
pub struct QueueWarnings(Arc<Mutex<CountedQueues>>);

/// When each queue was counted, and its length.
type CountedQueues = HashMap<(AccountId, QueuePart), (DateTime<Utc>, u64)>;

impl QueueWarnings {
    /// For a message of this account that is accepted now, goes behind this part of the queue and may
    /// wait for so long.
    pub async fn list(
        &self,
        store: &Store,
        account: &Account,
        ahead: QueuePart,
        send_before: TimeDelta,
        now: DateTime<Utc>,
    ) -> Result<Vec<MessageWarning>, db::Error> {
        let id = &account.id;
        if let Some(pause) = store.find_pause(id).await? {
            // Providers quote whom another message went to.
            let reason = Visibility::Masked.mask_text(&pause.reason);
            let text = format!("account {id} is paused: {reason}; the message waits");
            return Ok(vec![MessageWarning::new(WarningCode::AccountPaused, text)]);
        }
        let flow = store.find_send_flow(id).await?;
        if let Some(hold) = flow.hold_text() {
            let hold = Visibility::Masked.mask_text(&hold);
            let text = format!("account {id}: {hold}; the message waits");
            return Ok(vec![MessageWarning::new(WarningCode::AccountTripped, text)]);
        }
        let Some(rate) = flow.rate(account.rate, now) else {
            return Ok(Vec::new());
        };
        let queued = self.count(store, id, ahead, now).await?;
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let wait = queued as f64 / rate;
        let limit = send_before.to_std().unwrap_or_default();
        Ok(if wait > limit.as_secs_f64() {
            let text = format!(
                "{queued} messages are queued for account {id}, which sends {rate:.1} a second: this one will expire after {}",
                humantime::format_duration(limit)
            );
            vec![MessageWarning::new(WarningCode::WillExpire, text)]
        } else {
            Vec::new()
        })
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
            && (now - *counted_at).abs() < COUNT_AGE
        {
            return Ok(*count);
        }
        let count = store.count_queued(account, ahead).await?;
        counted.insert(key, (now, count));
        Ok(count)
    }
}
