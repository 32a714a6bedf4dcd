//! Explains a message: gathers its facts, exchanges, decisions and account, and lets the domain find the words.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::db;
use crate::domain::delivery::fold;
use crate::domain::explanation::{
    AccountConditions, AttemptEnd, AttemptSummary, ExplainInput, explain,
};
pub use crate::domain::explanation::{ExplainedFailure, Explanation};
use crate::domain::ids::AccountId;
use crate::domain::message::Message;
use crate::domain::provider_account::{Account, Adoption};
use crate::domain::scope::Visibility;
use crate::services::Services;
use crate::store::Store;
use crate::store::attempts::{Attempt, AttemptOutcome};

/// Why a message's state is what it is, in the words that this reader may see.
pub async fn explain_message(
    services: &Services,
    message: &Message,
    visibility: Visibility,
) -> Result<Explanation, db::Error> {
    let (accounts, now) = (&services.accounts, services.clock.now());
    explain_from(&services.store, accounts, message, visibility, now).await
}

/// The same without a running process, for the command line.
pub async fn explain_from(
    store: &Store,
    accounts: &BTreeMap<AccountId, Account>,
    message: &Message,
    visibility: Visibility,
    now: DateTime<Utc>,
) -> Result<Explanation, db::Error> {
    let receipts = store.list_receipts(message.id).await?;
    let attempts: Vec<AttemptSummary> = store
        .list_attempts(message.id)
        .await?
        .into_iter()
        .map(exchange)
        .collect();
    let actions = store.list_actions_of(message.id).await?;
    let account = situation(store, accounts, message).await?;
    let delivery = fold(message.queue, message.queued_at(), &receipts);
    Ok(explain(&ExplainInput {
        message,
        delivery: &delivery,
        receipts: &receipts,
        attempts: &attempts,
        actions: &actions,
        account: &account,
        queue: store.find_queue_timing(message.id).await?,
        correlation: &store.find_correlation(message.id).await?,
        now,
        visibility,
    }))
}

async fn situation(
    store: &Store,
    accounts: &BTreeMap<AccountId, Account>,
    message: &Message,
) -> Result<AccountConditions, db::Error> {
    let pause = store
        .list_accounts()
        .await?
        .remove(&message.account)
        .and_then(|record| record.pause)
        .map(|pause| (pause.reason, pause.since));
    let configured = accounts.get(&message.account);
    Ok(AccountConditions {
        pause,
        mode: configured.map(|account| account.mode),
        rate: configured.and_then(|account| account.rate),
        deadline: configured.map(|account| account.deadline),
        adopt_after: configured.and_then(adopt_after),
    })
}

fn adopt_after(account: &Account) -> Option<Duration> {
    match account.adoption {
        Adoption::After(wait) => Some(wait),
        Adoption::Off => None,
    }
}

fn exchange(attempt: Attempt) -> AttemptSummary {
    AttemptSummary {
        at: attempt.started_at,
        end: match attempt.outcome {
            AttemptOutcome::Started => AttemptEnd::Running,
            AttemptOutcome::Accepted => AttemptEnd::Accepted,
            AttemptOutcome::Refused => AttemptEnd::Refused,
            AttemptOutcome::Postponed => AttemptEnd::Postponed,
            AttemptOutcome::Unclear => AttemptEnd::Unclear,
        },
        http_status: attempt.http_status,
        detail: attempt.detail,
    }
}
