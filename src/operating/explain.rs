//! Explains a message: gathers its facts, exchanges, decisions and account, and lets the domain find the words.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::db;
use crate::domain::access::Visibility;
use crate::domain::delivery::fold;
use crate::domain::explain::{AccountSituation, Exchange, ExchangeEnd, Story, explain};
pub use crate::domain::explain::{Explanation, FailureWords};
use crate::domain::ids::AccountId;
use crate::domain::message::Message;
use crate::domain::provider::{Account, Adoption};
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
    let exchanges: Vec<Exchange> = store
        .list_attempts(message.id)
        .await?
        .into_iter()
        .map(exchange)
        .collect();
    let actions = store.list_actions_of(message.id).await?;
    let account = situation(store, accounts, message).await?;
    let delivery = fold(message.queue, message.queued_at(), &receipts);
    Ok(explain(&Story {
        message,
        delivery: &delivery,
        receipts: &receipts,
        exchanges: &exchanges,
        actions: &actions,
        account: &account,
        queue: store.find_queue_place(message.id).await?,
        ties: &store.find_ties(message.id).await?,
        now,
        visibility,
    }))
}

async fn situation(
    store: &Store,
    accounts: &BTreeMap<AccountId, Account>,
    message: &Message,
) -> Result<AccountSituation, db::Error> {
    let pause = store
        .list_accounts()
        .await?
        .remove(&message.account)
        .and_then(|record| record.pause)
        .map(|pause| (pause.reason, pause.since));
    let configured = accounts.get(&message.account);
    Ok(AccountSituation {
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

fn exchange(attempt: Attempt) -> Exchange {
    Exchange {
        at: attempt.started_at,
        end: match attempt.outcome {
            AttemptOutcome::Started => ExchangeEnd::Running,
            AttemptOutcome::Accepted => ExchangeEnd::Accepted,
            AttemptOutcome::Refused => ExchangeEnd::Refused,
            AttemptOutcome::Postponed => ExchangeEnd::Postponed,
            AttemptOutcome::Unclear => ExchangeEnd::Unclear,
        },
        http_status: attempt.http_status,
        detail: attempt.detail,
    }
}
