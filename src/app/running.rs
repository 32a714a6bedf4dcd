//! A serving process: HTTP server, background jobs, and their shutdown.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::jobs::Jobs;
use crate::services::Services;
use crate::web::connections::Connections;
use crate::web::listener::{Listener, Owner};
use crate::web::server;

/// How long running submissions may take after the process was asked to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);

pub struct Running {
    server: actix_web::dev::Server,
    connections: Connections,
    socket_owner: Owner,
    services: Services,
    jobs: Jobs,
    terminate: Signal,
    interrupt: Signal,
}

/// Starts the server and every job. From now on SIGTERM and SIGINT only end
/// [`Running::until_stopped`].
pub fn start(listener: Listener, services: Services) -> io::Result<Running> {
    let terminate = signal(SignalKind::terminate())?;
    let interrupt = signal(SignalKind::interrupt())?;
    let connections = Connections::default();
    let server = server::start(listener.socket, services.clone(), &connections)?;
    let jobs = Jobs::new(&services);
    jobs.start();
    Ok(Running {
        server,
        connections,
        socket_owner: listener.owner,
        services,
        jobs,
        terminate,
        interrupt,
    })
}

impl Running {
    /// Runs until SIGTERM or SIGINT. Then starts nothing new, finishes what is running, and closes
    /// the journal and the databases.
    pub async fn until_stopped(mut self) -> io::Result<()> {
        let handle = self.server.handle();
        let mut server = actix_web::rt::spawn(self.server);
        let result = tokio::select! {
            joined = &mut server => joined.map_err(io::Error::other).and_then(|result| result),
            _ = self.terminate.recv() => Ok(()),
            _ = self.interrupt.recv() => Ok(()),
        };
        tracing::info!("stopping");
        self.services.stopping.cancel();
        self.jobs.stop_claiming();
        tokio::join!(
            self.connections.drain(&handle, self.socket_owner),
            self.jobs.finish(DRAIN_TIMEOUT)
        );
        close(self.services).await;
        result
    }
}

/// Writes queued callbacks to the journal and closes every connection.
pub async fn close(services: Services) {
    if let Err(error) = services.journal.close().await {
        tracing::warn!(%error, "the journal could not be closed cleanly");
    }
    if let Err(error) = services.store.close().await {
        tracing::warn!(%error, "the database could not be closed cleanly");
    }
}
