//! Submits messages: claims a message, records the attempt, calls the provider, records the outcome.
//!
//! **Invariant:** the attempt is committed before the first byte is sent, and a message with an
//! unknown outcome is never sent again automatically.

mod account_effects;
mod attempt_counter;
mod claim_due;
mod outcome_queue;
mod queue_sweep;
mod record_outcome;
mod retry_wait;
mod submit;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use self::attempt_counter::AttemptCounter;
pub use self::outcome_queue::OutcomeQueue;
use crate::domain::circuit_breaker::Purpose;
use crate::domain::clock::Clock;
use crate::domain::ids::{AccountId, AttemptId};
use crate::domain::message::OutgoingMessage;
use crate::domain::provider_account::Account;
use crate::domain::steady_clock::SteadyClock;
use crate::keys::Keys;
use crate::providers::SendStep;
use crate::sending::pace::{InFlight, InFlightPermit, KnownFlows};
use crate::sending::transport::Transport;
use crate::sending::upload_storage::UploadStorage;
use crate::store::Store;

#[derive(Clone)]
pub struct Dispatcher {
    pub store: Store,
    pub transport: Transport,
    pub accounts: Arc<BTreeMap<AccountId, Account>>,
    /// Signs report URLs.
    pub keys: Arc<Keys>,
    /// The base of report URLs.
    pub public_url: String,
    pub clock: Arc<dyn Clock>,
    /// The time of claims and of send slots.
    pub steady_clock: Arc<SteadyClock>,
    /// Identifies this process in its claims.
    pub holder: Uuid,
    pub uploads: UploadStorage,
    pub in_flight: Arc<InFlight>,
    pub outcomes: Arc<OutcomeQueue>,
    pub known_flows: Arc<KnownFlows>,
    pub attempt_counter: AttemptCounter,
}

#[derive(Debug)]
pub struct ClaimedMessage {
    outgoing: OutgoingMessage,
    account: Account,
    attempt: AttemptId,
    /// Of the attempt, from 1.
    number: u32,
    /// When the first byte may be sent, by the clock of slots.
    called_at: DateTime<Utc>,
    purpose: Purpose,
    /// Built once, so that the stored request is the one that is sent.
    first_step: SendStep,
    /// Released on drop, when the outcome is recorded.
    _permit: Option<InFlightPermit>,
}

/// The token in a report URL; it is a secret, because anyone who knows it can send reports.
fn report_token(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
}
