//! The way to a database server, which can be cut: a relay on a port of its own.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How connections are treated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// They go through.
    Open,
    /// They are closed, as when the server is stopped.
    Cut,
    /// They stay open and nothing goes through, as when the server hangs.
    Silent,
}

/// A relay; ends with this value.
pub(crate) struct Cable {
    pub(crate) address: SocketAddr,
    way: watch::Sender<Way>,
}

impl Cable {
    /// Relays to `server`, on a thread of its own: a test may block its own.
    pub(crate) fn to(server: String) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let way = watch::Sender::new(Way::Open);
        let watched = way.subscribe();
        std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(serve(listener, server, watched));
        });
        Self { address, way }
    }

    /// Applies to all connections from now on.
    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

async fn serve(listener: std::net::TcpListener, server: String, mut way: watch::Receiver<Way>) {
    let listener = TcpListener::from_std(listener).unwrap();
    let watched = way.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = gone(&mut way) => return,
        };
        if let Ok((near, _)) = accepted {
            tokio::spawn(relay(near, server.clone(), watched.clone()));
        }
    }
}

async fn relay(mut near: TcpStream, server: String, mut way: watch::Receiver<Way>) {
    let now = *way.borrow_and_update();
    if now == Way::Open
        && let Ok(mut far) = TcpStream::connect(&server).await
    {
        tokio::select! {
            _ = copy_bidirectional(&mut near, &mut far) => return,
            _ = way.changed() => {}
        }
    }
    // What was begun in silence does not survive it.
    if *way.borrow_and_update() == Way::Silent {
        let _ = way.changed().await;
    }
}

async fn gone(way: &mut watch::Receiver<Way>) {
    while way.changed().await.is_ok() {}
}
