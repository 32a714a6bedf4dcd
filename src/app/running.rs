//! A serving process: HTTP server, background jobs, and their shutdown.

use std::fs;
use std::future::pending;
use std::io;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use futures_util::future::select_all;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::jobs::Jobs;
use crate::services::Services;
use crate::web::connections::Connections;
use crate::web::listener::{Listeners, Owner};
use crate::web::route_registration::ServedRoutes;
use crate::web::server::{self, ServerSettings};

/// How long running submissions may take after the process was asked to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);

pub struct Running {
    /// At least one, each with the owner of its socket.
    servers: Vec<(Server, Owner)>,
    connections: Connections,
    services: Services,
    jobs: Jobs,
    terminate: Signal,
    interrupt: Signal,
    /// `None` under `nohup`, which ignores SIGHUP.
    hangup: Option<Signal>,
}

/// Starts the servers and every job. From now on SIGTERM, SIGINT and SIGHUP only end
/// [`Running::until_stopped`].
pub fn start(listeners: Listeners, services: Services) -> io::Result<Running> {
    let terminate = signal(SignalKind::terminate())?;
    let interrupt = signal(SignalKind::interrupt())?;
    let hangup = if ignores_hangup() {
        None
    } else {
        Some(signal(SignalKind::hangup())?)
    };
    let connections = Connections::default();
    let sockets = match listeners.callbacks {
        None => vec![(listeners.main, ServedRoutes::All)],
        Some(callbacks) => vec![
            (listeners.main, ServedRoutes::AllButCallbacks),
            (callbacks, ServedRoutes::Callbacks),
        ],
    };
    let count = sockets.len();
    let mut servers = Vec::new();
    for (listener, routes) in sockets {
        let settings = ServerSettings {
            routes,
            listeners: count,
            ..ServerSettings::default()
        };
        let server = server::start(listener.socket, services.clone(), &connections, settings)?;
        servers.push((server, listener.owner));
    }
    let jobs = Jobs::new(&services);
    jobs.start();
    Ok(Running {
        servers,
        connections,
        services,
        jobs,
        terminate,
        interrupt,
        hangup,
    })
}

/// Whether this process was started with SIGHUP ignored. Known on Linux only.
fn ignores_hangup() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The lowest bit stands for signal 1.
    ignored.is_some_and(|mask| mask & 1 == 1)
}

async fn receive(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => pending().await,
    }
}

impl Running {
    /// Runs until SIGTERM, SIGINT or SIGHUP. Then starts nothing new, finishes what is running, and closes
    /// the journal and the databases.
    pub async fn until_stopped(mut self) -> io::Result<()> {
        let handles: Vec<(ServerHandle, Owner)> = self
            .servers
            .iter()
            .map(|(server, owner)| (server.handle(), *owner))
            .collect();
        let servers = self.servers.into_iter();
        let mut running = select_all(servers.map(|(server, _)| actix_web::rt::spawn(server)));
        let result = tokio::select! {
            (joined, ..) = &mut running => joined.map_err(io::Error::other).and_then(|result| result),
            _ = self.terminate.recv() => Ok(()),
            _ = self.interrupt.recv() => Ok(()),
            () = receive(self.hangup.as_mut()) => Ok(()),
        };
        tracing::info!("stopping");
        self.services.stopping.cancel();
        self.jobs.stop_claiming();
        tokio::join!(
            self.connections.drain(&handles),
            self.jobs.finish(DRAIN_TIMEOUT)
        );
        close(self.services).await;
        result
    }
}

/// Writes queued callbacks and messages, and closes every connection.
pub async fn close(services: Services) {
    services.acceptor.close().await;
    if let Err(error) = services.journal.close().await {
        tracing::warn!(%error, "the journal could not be closed cleanly");
    }
    if let Err(error) = services.store.close().await {
        tracing::warn!(%error, "the database could not be closed cleanly");
    }
}
