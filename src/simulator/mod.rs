//! Simulates the four providers: documented send APIs, callbacks in their formats, seeded faults,
//! and the expected states.
//!
//! Used by `bluetick simulate`, by `bluetick demo`, and by integration tests. Shares no code with
//! [`crate::providers`] or the fold, so that it can detect their errors.

pub mod callback_queue;
mod demo_shop;
pub mod demo_traffic;
pub mod event_plan;
pub mod exchange;
mod failure_reason;
pub mod fault_rates;
mod faults;
pub mod history;
mod history_shape;
mod kaleyra;
mod lancepilot;
pub mod oracle;
pub mod post_failures;
mod rate_limit;
mod seeded_rng;
mod server;
pub mod settings;
mod simulated_provider;
mod simulated_providers;
mod sobot;
mod state;
mod template_header;
mod zixflow;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::callback_queue::QueuedCallback;
pub use self::exchange::{ForcedReply, ReceivedRequest};
pub use self::fault_rates::FaultRates;
pub use self::post_failures::PostFailure;
pub use self::rate_limit::RateLimit;
pub use self::settings::{
    CallbackRelease, CallbackTarget, CallbackTargets, PlannedOutcome, Settings,
};
use self::state::{SimulatorState, lock};
use crate::domain::provider::ProviderId;

#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    #[error("the simulator cannot use its socket")]
    Socket(#[source] std::io::Error),
    #[error("the simulator cannot create its HTTP client")]
    Client(#[from] reqwest::Error),
    #[error("cannot write the oracle file")]
    Oracle(#[source] std::io::Error),
}

/// Maximum delay before a change is written to the oracle file.
const ORACLE_PAUSE: Duration = Duration::from_secs(1);

pub struct Simulator;

impl Simulator {
    /// Serves all four APIs on `listener`. The `base_url` of every account is `http://{address}`.
    /// Returns once connections are accepted.
    pub fn start(
        settings: Settings,
        listener: TcpListener,
    ) -> Result<SimulatorHandle, SimulatorError> {
        let address = listener.local_addr().map_err(SimulatorError::Socket)?;
        let state = Arc::new(SimulatorState::new(settings)?);
        let runtime = tokio::runtime::Handle::current();
        let server =
            server::build(listener, Arc::clone(&state), runtime).map_err(SimulatorError::Socket)?;
        let stop_server = server.handle();
        let mut tasks = vec![tokio::spawn(async move {
            // The socket is bound, so the server ends only when it is stopped.
            let _ = server.await;
        })];
        if state.settings.release == CallbackRelease::Timed {
            tasks.push(tokio::spawn(Arc::clone(&state.queue).run()));
        }
        if state.settings.oracle.is_some() {
            tasks.push(tokio::spawn(write_oracle_periodically(Arc::clone(&state))));
        }
        Ok(SimulatorHandle {
            address,
            state,
            stop_server,
            tasks,
        })
    }
}

async fn write_oracle_periodically(state: Arc<SimulatorState>) {
    while !state.stopping.is_cancelled() {
        tokio::select! {
            () = tokio::time::sleep(ORACLE_PAUSE) => {}
            () = state.stopping.cancelled() => return,
        }
        if let Err(error) = write_oracle(&state) {
            tracing::warn!(%error, "the oracle file could not be written");
        }
    }
}

fn write_oracle(state: &SimulatorState) -> Result<(), SimulatorError> {
    let mut oracle = lock(&state.oracle);
    match &state.settings.oracle {
        Some(path) if oracle.has_changed() => oracle.write(path).map_err(SimulatorError::Oracle),
        _ => Ok(()),
    }
}

/// A running simulator. [`SimulatorHandle::stop`] stops it; dropping the handle does not.
pub struct SimulatorHandle {
    address: SocketAddr,
    state: Arc<SimulatorState>,
    stop_server: ServerHandle,
    tasks: Vec<JoinHandle<()>>,
}

impl SimulatorHandle {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `base_url` for accounts that use this simulator.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Applies to messages accepted from now on.
    pub fn set_targets(&self, targets: CallbackTargets) {
        self.state.set_targets(targets);
    }

    /// Forces the reply to the next request; several are used in order.
    pub fn force(&self, provider: ProviderId, reply: ForcedReply) {
        self.state.force(provider, reply);
    }

    /// Gives every request this reply, until it is removed.
    pub fn set_outage(&self, provider: ProviderId, reply: Option<ForcedReply>) {
        self.state.set_outage(provider, reply);
    }

    /// Refuses requests beyond a rate, until the limit is removed.
    pub fn set_rate_limit(&self, provider: ProviderId, limit: Option<RateLimit>) {
        self.state.set_rate_limit(provider, limit);
    }

    /// Forces the outcome of the next accepted message; several are used in order.
    pub fn force_outcome(&self, provider: ProviderId, outcome: PlannedOutcome) {
        self.state.force_outcome(provider, outcome);
    }

    /// How many messages a provider accepted.
    pub fn accepted(&self, provider: ProviderId) -> usize {
        self.state.accepted(provider)
    }

    /// The latest requests to all send APIs, oldest first.
    pub fn received(&self) -> Vec<ReceivedRequest> {
        self.state.received()
    }

    /// The first failure to post a callback of each provider.
    pub fn post_failures(&self) -> watch::Receiver<Vec<PostFailure>> {
        self.state.queue.failures.subscribe()
    }

    /// The queued callbacks in the order in which they would be posted.
    pub fn queued(&self) -> Vec<QueuedCallback> {
        self.state.queue.list()
    }

    /// Posts the next `count` queued callbacks one by one, due or not; returns how many there were.
    pub async fn deliver_next(&self, count: usize) -> usize {
        self.state.queue.deliver_next(count).await
    }

    /// Posts all queued callbacks one by one, including retries; returns the number of attempts.
    pub async fn deliver_all(&self) -> usize {
        let mut done = 0;
        while self.state.queue.deliver_next(1).await == 1 {
            done += 1;
        }
        done
    }

    /// Waits until no callback is queued or being posted.
    pub async fn idle(&self) {
        self.state.queue.idle().await;
    }

    /// The state that the receiver must show for each accepted message, one object per message.
    pub fn oracle(&self) -> Vec<Value> {
        lock(&self.state.oracle).lines()
    }

    /// Accepts no more requests, posts the queued callbacks (timed delivery only, for at most the
    /// settings' `drain`), and writes the oracle file.
    pub async fn stop(self) -> Result<(), SimulatorError> {
        self.state.stopping.cancel();
        self.stop_server.stop(true).await;
        let drain = match self.state.settings.release {
            CallbackRelease::Timed => self.state.settings.drain,
            CallbackRelease::Manual => Duration::ZERO,
        };
        self.state.queue.stop(drain).await;
        for task in self.tasks {
            // A panic in the task has been printed already.
            let _ = task.await;
        }
        write_oracle(&self.state)
    }
}
