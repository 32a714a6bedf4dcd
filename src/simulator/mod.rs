//! The four providers played by us: their send APIs as documented, callbacks in their own dialects, seeded misbehaviour and an answer key.
//!
//! It is used alone (`bluetick simulate`), inside `bluetick demo`, and as the provider double of integration tests. It shares no code with
//! [`crate::providers`] or the fold, so that it can contradict them.

pub mod callback_queue;
pub mod chaos;
pub mod demo_traffic;
pub mod event_plan;
pub mod exchange;
mod kaleyra;
mod lancepilot;
pub mod oracle;
mod provider_api;
mod seeded_rng;
mod server;
pub mod settings;
mod sobot;
mod state;
mod zixflow;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use serde_json::Value;
use tokio::task::JoinHandle;

pub use self::callback_queue::QueuedCallback;
pub use self::chaos::Chaos;
pub use self::event_plan::PlannedOutcome;
pub use self::exchange::{ForcedReply, ReceivedRequest};
pub use self::settings::{CallbackTarget, CallbackTargets, Delivery, Settings};
use self::state::{SimulatorState, lock};
use crate::domain::provider::ProviderId;

/// Why the simulator does not run, or lost its answer key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket cannot be used.
    #[error("the simulator's socket cannot be used")]
    Socket(#[source] std::io::Error),
    /// The HTTP client for callbacks cannot be made.
    #[error("the simulator cannot make callbacks")]
    Client(#[from] reqwest::Error),
    /// The oracle's file cannot be written.
    #[error("the oracle's file cannot be written")]
    Oracle(#[source] std::io::Error),
}

/// The oracle's file is at most this much behind.
const ORACLE_PAUSE: Duration = Duration::from_secs(1);

/// The four providers.
pub struct Simulator;

impl Simulator {
    /// Serves all four APIs on `listener`; every `base_url` is `http://{address}`. Returns once connections are accepted.
    pub fn start(settings: Settings, listener: TcpListener) -> Result<SimulatorHandle, Error> {
        let address = listener.local_addr().map_err(Error::Socket)?;
        let state = Arc::new(SimulatorState::new(settings)?);
        let runtime = tokio::runtime::Handle::current();
        let server = server::build(listener, Arc::clone(&state), runtime).map_err(Error::Socket)?;
        let stop_server = server.handle();
        let mut tasks = vec![tokio::spawn(async move {
            // It ends only by being stopped; the socket was bound before.
            let _ = server.await;
        })];
        if state.settings.delivery == Delivery::Timed {
            tasks.push(tokio::spawn(Arc::clone(&state.queue).run()));
        }
        if state.settings.oracle.is_some() {
            tasks.push(tokio::spawn(keep_oracle(Arc::clone(&state))));
        }
        Ok(SimulatorHandle {
            address,
            state,
            stop_server,
            tasks,
        })
    }
}

/// Writes the oracle's file whenever it changed.
async fn keep_oracle(state: Arc<SimulatorState>) {
    while !state.stopping.is_cancelled() {
        tokio::select! {
            () = tokio::time::sleep(ORACLE_PAUSE) => {}
            () = state.stopping.cancelled() => return,
        }
        if let Err(error) = write_oracle(&state) {
            tracing::warn!(%error, "the oracle's file is behind");
        }
    }
}

fn write_oracle(state: &SimulatorState) -> Result<(), Error> {
    let mut oracle = lock(&state.oracle);
    match &state.settings.oracle {
        Some(path) if oracle.has_changed() => oracle.write(path).map_err(Error::Oracle),
        _ => Ok(()),
    }
}

/// A running simulator. Dropping it does not stop it; [`SimulatorHandle::stop`] does.
pub struct SimulatorHandle {
    address: SocketAddr,
    state: Arc<SimulatorState>,
    stop_server: ServerHandle,
    tasks: Vec<JoinHandle<()>>,
}

impl SimulatorHandle {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The `base_url` of an account that is to talk to it.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes where callbacks go, for messages taken from now on.
    pub fn set_targets(&self, targets: CallbackTargets) {
        self.state.set_targets(targets);
    }

    /// The next request to this provider gets this reply; several are used one after the other.
    pub fn force(&self, provider: ProviderId, reply: ForcedReply) {
        self.state.force(provider, reply);
    }

    /// The next message that this provider takes ends like this; several are used one after the other.
    pub fn force_outcome(&self, provider: ProviderId, planned_outcome: PlannedOutcome) {
        self.state.force_outcome(provider, planned_outcome);
    }

    /// The latest requests to any send API, oldest first.
    pub fn received(&self) -> Vec<ReceivedRequest> {
        self.state.received()
    }

    /// The queued callbacks, in the order in which they would be posted.
    pub fn queued(&self) -> Vec<QueuedCallback> {
        self.state.queue.list()
    }

    /// Posts the next `count` queued callbacks, one after the other, without waiting for their time; returns how many there were.
    pub async fn deliver_due(&self, count: usize) -> usize {
        self.state.queue.deliver_next(count).await
    }

    /// Posts every queued callback, one after the other, with the retries of those that are refused; returns how many attempts were made.
    pub async fn deliver_all(&self) -> usize {
        let mut done = 0;
        while self.state.queue.deliver_next(1).await == 1 {
            done += 1;
        }
        done
    }

    /// Waits until no callback is queued or on its way.
    pub async fn idle(&self) {
        self.state.queue.idle().await;
    }

    /// What the receiver must know by now, one object per accepted message.
    pub fn oracle(&self) -> Vec<Value> {
        lock(&self.state.oracle).lines()
    }

    /// Takes no more requests, posts what is queued (timed delivery only, bounded by the settings' `drain`), and writes the oracle's file.
    pub async fn stop(self) -> Result<(), Error> {
        self.state.stopping.cancel();
        self.stop_server.stop(true).await;
        let drain = match self.state.settings.delivery {
            Delivery::Timed => self.state.settings.drain,
            Delivery::Manual => Duration::ZERO,
        };
        self.state.queue.stop(drain).await;
        for task in self.tasks {
            // A panic inside has been printed; stopping goes on.
            let _ = task.await;
        }
        write_oracle(&self.state)
    }
}
