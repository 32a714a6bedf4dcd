//! Pauses accounts that their providers rejected in reports.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::db;
use crate::domain::failure::Failure;
use crate::domain::failure_codes;
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::provider::ProviderId;
use crate::store::ledger::Ledger;

/// A report in which the provider rejects the account, not only the message.
pub(super) struct AccountRejection {
    pub(super) message: MessageId,
    pub(super) received_at: DateTime<Utc>,
    pub(super) provider: ProviderId,
    pub(super) failure: Failure,
}

/// Pauses the accounts that their providers rejected in this batch: other sends would be
/// rejected, too.
///
/// If an account was rejected several times, only the message that was attempted last counts: a
/// callback may contain thousands of rejections.
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
        let failure = &rejection.failure;
        let paused = ledger
            .pause_by_report(&account, tried_at, &failure.one_line())
            .await?;
        if paused {
            // Only documented codes reject an account. The provider's text may contain personal
            // data.
            let code = failure.code.as_deref().unwrap_or_default();
            let reason = failure_codes::describe(rejection.provider, failure).meaning;
            tracing::warn!(account.id = %account, message.id = %rejection.message, code, reason, "the provider rejected the account in a report; sending is paused until an operator resumes it");
        }
    }
    Ok(())
}
