//! Submits messages: claims a message, records the attempt, calls the provider, records the outcome.
//!
//! **Invariant:** the attempt is committed before the first byte is sent, and a message with an
//! unknown outcome is never sent again automatically.

mod account_effects;
mod attempt_counter;
mod claim_due;
mod claimed_message;
mod outcome_queue;
mod pending_outcome;
mod queue_sweep;
mod record_group;
mod record_outcome;
mod retry_wait;
mod submit;

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

pub use self::attempt_counter::AttemptCounter;
pub use self::claimed_message::ClaimedMessage;
pub use self::outcome_queue::OutcomeQueue;
use crate::domain::clock::Clock;
use crate::domain::ids::AccountId;
use crate::domain::provider_account::Account;
use crate::domain::steady_clock::SteadyClock;
use crate::keys::Keys;
use crate::sending::in_flight_limit::InFlight;
use crate::sending::known_flows::KnownFlows;
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

/// The token in a report URL; it is a secret, because anyone who knows it can send reports.
fn report_token(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
}
