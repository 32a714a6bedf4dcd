//! A TCP relay to a database server that can be interrupted.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the relay does with connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RelayMode {
    /// Forwards all data.
    Forwarding,
    /// Closes them, as when the server is stopped.
    Closing,
    /// Keeps them open and forwards nothing, as when the server hangs.
    Silent,
}

/// Ends when dropped.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    mode: watch::Sender<RelayMode>,
}

impl Relay {
    /// Relays to `server` on a separate thread, since a test may block its own.
    pub(crate) fn to(server: String) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let mode = watch::Sender::new(RelayMode::Forwarding);
        let watched = mode.subscribe();
        std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(serve(listener, server, watched));
        });
        Self { address, mode }
    }

    /// Applies to all connections from now on.
    pub(crate) fn set(&self, mode: RelayMode) {
        self.mode.send_replace(mode);
    }
}

async fn serve(
    listener: std::net::TcpListener,
    server: String,
    mut mode: watch::Receiver<RelayMode>,
) {
    let listener = TcpListener::from_std(listener).unwrap();
    let watched = mode.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = dropped(&mut mode) => return,
        };
        if let Ok((near, _)) = accepted {
            tokio::spawn(relay(near, server.clone(), watched.clone()));
        }
    }
}

async fn relay(mut near: TcpStream, server: String, mut mode: watch::Receiver<RelayMode>) {
    let now = *mode.borrow_and_update();
    if now == RelayMode::Forwarding
        && let Ok(mut far) = TcpStream::connect(&server).await
    {
        tokio::select! {
            _ = copy_bidirectional(&mut near, &mut far) => return,
            _ = mode.changed() => {}
        }
    }
    // A connection that was interrupted is closed when forwarding resumes.
    if *mode.borrow_and_update() == RelayMode::Silent {
        let _ = mode.changed().await;
    }
}

async fn dropped(mode: &mut watch::Receiver<RelayMode>) {
    while mode.changed().await.is_ok() {}
}
