//! A Unix socket that forwards to a PostgreSQL server over TCP with `TCP_NODELAY`.
//!
//! sqlx 0.9.0 does not set the option (<https://github.com/launchbadge/sqlx/issues/4335>). Under
//! TLS it writes records of 16 KiB one by one, so that the end of a longer batch waits 40 ms for an
//! acknowledgement. To be removed with a release of sqlx that sets it.

use std::io;
use std::thread;
use std::time::Duration;

use rustix::process::geteuid;
use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

/// Four TLS records.
const BUFFER_BYTES: usize = 64 * 1024;
/// How long to wait for a server that is starting, as the driver does without a relay.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_PAUSE: Duration = Duration::from_millis(200);
/// The pause after a failed `accept`.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Forwards until it is dropped.
#[derive(Debug)]
pub(super) struct SocketRelay {
    folder: String,
    _stop: DropGuard,
}

#[derive(Clone, Debug)]
pub(super) struct ServerAddress {
    pub(super) host: String,
    pub(super) port: u16,
}

impl SocketRelay {
    /// Runs on its own thread, so that tasks which wait for it cannot block it.
    pub(super) fn start(server: ServerAddress) -> io::Result<Self> {
        // A leading NUL makes it an abstract socket of Linux, which leaves no file behind.
        let folder = format!("\0bluetick-{}", Uuid::from_bytes(rand::random()));
        let path = format!("{folder}/.s.PGSQL.{}", server.port);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = {
            let _context = runtime.enter();
            UnixListener::bind(path)?
        };
        let stop = CancellationToken::new();
        let forwarding = stop
            .clone()
            .run_until_cancelled_owned(forward_all(listener, server));
        thread::Builder::new()
            .name("postgres".into())
            .spawn(move || runtime.block_on(forwarding))?;
        Ok(Self {
            folder,
            _stop: stop.drop_guard(),
        })
    }

    /// For `PgConnectOptions::socket`.
    pub(super) fn folder(&self) -> &str {
        &self.folder
    }
}

async fn forward_all(listener: UnixListener, server: ServerAddress) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                tokio::spawn(forward(client, server.clone()));
            }
            // Most likely too many files are open.
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection to PostgreSQL");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The driver receives the end of the stream if the server cannot be reached.
async fn forward(mut client: UnixStream, server: ServerAddress) -> io::Result<()> {
    // Every user of the machine can find an abstract socket.
    if client.peer_cred()?.uid() != geteuid().as_raw() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let mut stream = match connect(&server).await {
        Ok(stream) => stream,
        Err(error) => {
            let ServerAddress { host, port } = server;
            tracing::warn!(%error, "cannot connect to PostgreSQL at {host}:{port}");
            return Err(error);
        }
    };
    stream.set_nodelay(true)?;
    copy_bidirectional_with_sizes(&mut client, &mut stream, BUFFER_BYTES, BUFFER_BYTES).await?;
    Ok(())
}

async fn connect(server: &ServerAddress) -> io::Result<TcpStream> {
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    loop {
        let connecting = TcpStream::connect((server.host.as_str(), server.port));
        let error = match timeout_at(deadline, connecting).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => error,
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        };
        let is_starting = error.kind() == io::ErrorKind::ConnectionRefused;
        if !is_starting || Instant::now() + CONNECT_PAUSE > deadline {
            return Err(error);
        }
        sleep(CONNECT_PAUSE).await;
    }
}
