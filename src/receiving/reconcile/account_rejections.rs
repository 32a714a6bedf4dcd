//! Pauses accounts that their providers rejected in reports.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::db;
use crate::domain::ids::{AccountId, MessageId};
use crate::store::ledger::Ledger;

/// A report in which the provider rejects the account, not only the message.
pub(super) struct AccountRejection {
    pub(super) message: MessageId,
    pub(super) received_at: DateTime<Utc>,
    pub(super) reason: String,
}

/// Pauses the accounts that their providers rejected in this batch: other sends would be
/// rejected, too.
///
/// Of several rejections of one account, that of the message that was attempted last counts: a
/// callback may contain thousands.
pub(super) async fn pause_accounts(
    ledger: &mut Ledger,
    rejections: &[AccountRejection],
) -> Result<(), db::Error> {
    let mut latest: BTreeMap<AccountId, (DateTime<Utc>, &AccountRejection)> = BTreeMap::new();
    for rejection in rejections {
        let message = ledger.current(rejection.message);
        let Some((account, tried_at)) = ledger.find_submission(message, rejection.received_at)?
        else {
            continue;
        };
        let newest = latest.entry(account).or_insert((tried_at, rejection));
        if tried_at > newest.0 {
            *newest = (tried_at, rejection);
        }
    }
    for (account, (tried_at, rejection)) in latest {
        let paused = ledger
            .pause_by_report(&account, tried_at, &rejection.reason)
            .await?;
        if paused {
            tracing::warn!(account.id = %account, message.id = %rejection.message, "the provider rejected the account by a report; sending is paused");
        }
    }
    Ok(())
}
