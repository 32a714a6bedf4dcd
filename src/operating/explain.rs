//! Explains a message: loads its receipts, attempts, actions and account for
//! `domain::explanation`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::db;
use crate::domain::delivery::fold;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::explanation::{AccountConditions, AttemptSummary, ExplainInput, explain};
pub use crate::domain::explanation::{ExplainedFailure, Explanation};
use crate::domain::ids::AccountId;
use crate::domain::message::{Message, Origin};
use crate::domain::provider_account::{Account, Adoption};
use crate::domain::scope::Visibility;
use crate::domain::send_flow::SendFlow;
use crate::operating::message_actions::resend_advice::ResendAdvisor;
use crate::services::Services;
use crate::store::Store;

pub async fn explain_message(
    services: &Services,
    message: &Message,
    visibility: Visibility,
) -> Result<Explanation, db::Error> {
    let (accounts, now) = (&services.accounts, services.clock.now());
    explain_without_services(&services.store, accounts, message, visibility, now).await
}

/// For the command line, where no services run.
pub async fn explain_without_services(
    store: &Store,
    accounts: &BTreeMap<AccountId, Account>,
    message: &Message,
    visibility: Visibility,
    now: DateTime<Utc>,
) -> Result<Explanation, db::Error> {
    let receipts = store.list_receipts(message.id).await?;
    let attempts = store.list_attempts(message.id).await?;
    let attempts: Vec<AttemptSummary> = attempts
        .into_iter()
        .map(|attempt| AttemptSummary {
            at: attempt.started_at,
            outcome: attempt.outcome,
            http_status: attempt.http_status,
            detail: attempt.detail,
        })
        .collect();
    let is_resendable = message.origin == Origin::Api
        && message.resent_as.is_none()
        && matches!(
            message.state,
            DeliveryState::Failed | DeliveryState::Uncertain
        );
    let advice = if is_resendable {
        ResendAdvisor::load(store, accounts, now)
            .await?
            .advise(message)
            .await?
    } else {
        None
    };
    Ok(explain(&ExplainInput {
        message,
        delivery: &fold(message.queue, message.queued_at(), &receipts),
        receipts: &receipts,
        attempts: &attempts,
        actions: &store.list_actions_of(message.id).await?,
        account: &load_account_conditions(store, accounts, &message.account).await?,
        queue: store.find_queue_timing(message.id).await?,
        correlation: &store.find_correlation(message.id).await?,
        resend_advice: advice.as_ref().map(|advice| advice.text.as_str()),
        now,
        visibility,
    }))
}

async fn load_account_conditions(
    store: &Store,
    accounts: &BTreeMap<AccountId, Account>,
    id: &AccountId,
) -> Result<AccountConditions, db::Error> {
    let record = store.list_accounts().await?.remove(id);
    let pause = record.and_then(|record| record.pause);
    let configured = accounts.get(id);
    let flow = store.list_send_flows().await?.remove(id);
    let hold = flow.as_ref().and_then(SendFlow::hold_text);
    let trip = flow.and_then(|flow| flow.breaker.trip);
    Ok(AccountConditions {
        trip: hold.zip(trip.map(|trip| trip.since)),
        pause: pause.map(|pause| (pause.reason, pause.since)),
        mode: configured.map(|account| account.mode),
        rate: configured.and_then(|account| account.rate),
        report_deadline: configured.map(|account| account.report_deadline),
        adopt_after: configured.and_then(|account| match account.adoption {
            Adoption::After(wait) => Some(wait),
            Adoption::Off => None,
        }),
    })
}
