//! A serving process: HTTP servers, then background jobs, and their shutdown.

use std::io;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::rt::task::JoinHandle;
use futures_util::future::{SelectAll, select_all};

use crate::app::signals::Signals;
use crate::jobs::Jobs;
use crate::operating::upgrade::UpgradeProgress;
use crate::services::{ReceivingServices, Services};
use crate::web::connections::Connections;
use crate::web::listener::{Listeners, Owner};
use crate::web::route_registration::ServedRoutes;
use crate::web::server::{self, ServerSettings};
use crate::web::web_state::WebState;

/// How long running submissions may take after the process was asked to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);

/// The servers of a process. They run also while it is not polled.
pub struct Serving {
    state: WebState,
    /// At least one.
    servers: SelectAll<JoinHandle<io::Result<()>>>,
    /// Of each server, with the owner of its socket.
    handles: Vec<(ServerHandle, Owner)>,
    connections: Connections,
    signals: Signals,
}

pub struct Running {
    serving: Serving,
    services: Services,
    jobs: Jobs,
}

/// Starts the servers and every job. From now on SIGTERM, SIGINT and SIGHUP only end
/// [`Running::until_stopped`].
pub fn start(listeners: Listeners, services: Services) -> io::Result<Running> {
    let serving = Serving::start(listeners, WebState::from(services.clone()))?;
    Ok(serving.run(services))
}

impl Serving {
    /// Starts the servers before the main database is open: callbacks are received, and other requests
    /// get 503. From now on signals only end [`Serving::while_opening`].
    pub fn receive(
        listeners: Listeners,
        receiving: ReceivingServices,
        progress: UpgradeProgress,
    ) -> io::Result<Self> {
        tracing::info!("callbacks are received while the main database is migrated");
        Self::start(listeners, WebState::receiving(receiving, progress))
    }

    fn start(listeners: Listeners, state: WebState) -> io::Result<Self> {
        let signals = Signals::catch()?;
        let connections = Connections::default();
        let sockets = match listeners.callbacks {
            None => vec![(listeners.main, ServedRoutes::All)],
            Some(callbacks) => vec![
                (listeners.main, ServedRoutes::AllButCallbacks),
                (callbacks, ServedRoutes::Callbacks),
            ],
        };
        let count = sockets.len();
        let mut handles = Vec::new();
        let mut servers = Vec::new();
        for (listener, routes) in sockets {
            let settings = ServerSettings {
                routes,
                listeners: count,
                ..ServerSettings::default()
            };
            let server = server::start(listener.socket, state.clone(), &connections, settings)?;
            handles.push((server.handle(), listener.owner));
            servers.push(actix_web::rt::spawn(server));
        }
        Ok(Self {
            state,
            servers: select_all(servers),
            handles,
            connections,
            signals,
        })
    }

    /// Receives callbacks until `work` is done. `None` after a signal. After that, and after an error,
    /// `work` is dropped, the servers have stopped, and the journal has what was received.
    pub async fn while_opening<T, E: From<io::Error>>(
        mut self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<Option<(Self, T)>, E> {
        let opened = tokio::select! {
            opened = work => opened.map(Some),
            ended = self.until_ended() => ended.map(|()| None).map_err(E::from),
        };
        if let Ok(Some(opened)) = opened {
            return Ok(Some((self, opened)));
        }
        self.begin_stop();
        self.connections.drain(&self.handles).await;
        close_journal(self.state.receiving_services()).await;
        opened.map(|_| None)
    }

    /// Serves everything, on the connections that are open, and starts every job.
    pub fn run(self, services: Services) -> Running {
        self.state.complete(services.clone());
        let jobs = Jobs::new(&services);
        jobs.start();
        Running {
            serving: self,
            services,
            jobs,
        }
    }

    /// Ends with the first server, or after a signal.
    async fn until_ended(&mut self) -> io::Result<()> {
        tokio::select! {
            (joined, ..) = &mut self.servers => joined.map_err(io::Error::other).and_then(|result| result),
            () = self.signals.received() => Ok(()),
        }
    }

    fn begin_stop(&self) {
        tracing::info!("stopping");
        self.state.receiving_services().stopping.cancel();
    }
}

impl Running {
    /// Runs until SIGTERM, SIGINT or SIGHUP. Then starts nothing new, finishes what is running, and closes
    /// the journal and the databases.
    pub async fn until_stopped(mut self) -> io::Result<()> {
        let result = self.serving.until_ended().await;
        self.serving.begin_stop();
        self.jobs.stop_claiming();
        tokio::join!(
            self.serving.connections.drain(&self.serving.handles),
            self.jobs.finish(DRAIN_TIMEOUT)
        );
        close(self.services).await;
        result
    }
}

/// Writes queued callbacks and messages, and closes every connection.
pub async fn close(services: Services) {
    services.acceptor.close().await;
    close_journal(&services.receiving()).await;
    if let Err(error) = services.store.close().await {
        tracing::warn!(%error, "the database could not be closed cleanly");
    }
}

async fn close_journal(receiving: &ReceivingServices) {
    if let Err(error) = receiving.journal.close().await {
        tracing::warn!(%error, "the journal could not be closed cleanly");
    }
}
