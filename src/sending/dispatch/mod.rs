//! Submits messages: claims a message, records the attempt, calls the provider, records the
//! outcome.
//!
//! **Invariant:** the attempt is committed before the first byte is sent, and a message with an
//! unknown outcome is never sent again automatically.
//!
//! Claims and attempts of many messages share a transaction, some of them up to
//! [`LOOKAHEAD`](crate::sending::in_flight_limit::LOOKAHEAD) before their slots. The call begins later
//! than its attempt is committed, when its slot is due and one of the account's permits is free;
//! `started_calls` records that it begins. If the account stops sending before that, the message
//! returns to the queue. If the process dies, an attempt is in one of three stages:
//!
//! 1. not committed: the message is queued.
//! 2. committed, and its call had not begun: nothing was sent. The message returns to the queue if
//!    `started_calls` proves that, for which a process must start in the same data folder before the
//!    claim ends, without a reboot in between. Otherwise it becomes `uncertain`.
//! 3. call begun, and no outcome committed: the message becomes `uncertain`.

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
mod started_calls;
mod submit;
mod uncertain_outcome;
mod unreachable_log;
mod unsendable;

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

pub use self::attempt_counter::AttemptCounter;
pub use self::claimed_message::ClaimedMessage;
pub use self::outcome_queue::OutcomeQueue;
pub use self::started_calls::{FolderUse, StartedCalls};
pub use self::unreachable_log::UnreachableLog;
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
    /// Measures claims and send slots.
    pub steady_clock: Arc<SteadyClock>,
    /// Identifies this process in its claims.
    pub holder: Uuid,
    pub uploads: UploadStorage,
    pub in_flight: Arc<InFlight>,
    pub outcomes: Arc<OutcomeQueue>,
    pub started_calls: StartedCalls,
    pub known_flows: Arc<KnownFlows>,
    pub attempt_counter: AttemptCounter,
    pub unreachable_log: Arc<UnreachableLog>,
}

/// The token in a report URL; it is a secret, because anyone who knows it can send reports.
fn report_token(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
}
