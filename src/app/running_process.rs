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
use crate::web::listener::{Listeners, SocketOwner};
use crate::web::route_registration::ServedRoutes;
use crate::web::server::{self, ServerSettings};
use crate::web::web_state::WebState;

/// How long running submissions may take after the process was asked to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);

/// The HTTP servers of a process. They run even while no method of this value is polled.
pub struct RunningServers {
    state: WebState,
    /// At least one.
    servers: SelectAll<JoinHandle<io::Result<()>>>,
    /// The handle of each server, with the owner of its socket.
    handles: Vec<(ServerHandle, SocketOwner)>,
    connections: Connections,
    signals: Signals,
}

/// A process whose HTTP servers and jobs run.
pub struct RunningProcess {
    servers: RunningServers,
    services: Services,
    jobs: Jobs,
}

/// Starts the servers and every job. From now on SIGTERM, SIGINT and SIGHUP only end
/// [`RunningProcess::run_until_stopped`].
pub fn start(listeners: Listeners, services: Services) -> io::Result<RunningProcess> {
    let servers = RunningServers::start(listeners, WebState::from(services.clone()))?;
    Ok(servers.run(services))
}

impl RunningServers {
    /// Starts the servers before the main database is open: callbacks are received, and other
    /// requests get 503. From now on signals only end [`RunningServers::receive_while`].
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

    /// Receives callbacks until `work` is done. Returns `None` after a signal. Then, and after an
    /// error, `work` is dropped, the servers have stopped, and the journal has all received
    /// callbacks.
    pub async fn receive_while<T, E: From<io::Error>>(
        mut self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<Option<(Self, T)>, E> {
        let opened = tokio::select! {
            opened = work => opened.map(Some),
            ended = self.wait_until_ended() => ended.map(|()| None).map_err(E::from),
        };
        if let Ok(Some(opened)) = opened {
            return Ok(Some((self, opened)));
        }
        self.begin_stop();
        self.connections.drain(&self.handles).await;
        close_journal(self.state.receiving_services()).await;
        opened.map(|_| None)
    }

    /// Serves all routes, also on connections that are already open, and starts every job.
    pub fn run(self, services: Services) -> RunningProcess {
        self.state.complete(services.clone());
        let jobs = Jobs::new(&services);
        jobs.start();
        RunningProcess {
            servers: self,
            services,
            jobs,
        }
    }

    /// Waits until one of the servers ends or a signal arrives.
    async fn wait_until_ended(&mut self) -> io::Result<()> {
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

impl RunningProcess {
    /// Runs until SIGTERM, SIGINT or SIGHUP. Then starts nothing new, finishes what is running, and
    /// closes the journal and the databases.
    pub async fn run_until_stopped(mut self) -> io::Result<()> {
        let result = self.servers.wait_until_ended().await;
        self.servers.begin_stop();
        self.jobs.stop_claiming();
        tokio::join!(
            self.servers.connections.drain(&self.servers.handles),
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
