//! Addresses at which nothing listens, in a run in which other tests take ports all the time.

use std::net::{SocketAddr, TcpListener};

use tokio::net::TcpSocket;

/// Refuses connections for as long as it lives: it is bound, so that nothing else takes the port, and does not listen.
pub(crate) struct RefusingSocket {
    socket: TcpSocket,
}

impl RefusingSocket {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { socket }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// From now on, connections are accepted.
    pub(crate) fn listen(self) -> TcpListener {
        self.socket.listen(1_024).unwrap().into_std().unwrap()
    }
}

/// For a server that a test starts. Outside the range from which outgoing connections and other tests take their ports, so that
/// none of them takes it before the server does.
pub(crate) fn free_address() -> SocketAddr {
    loop {
        let address = SocketAddr::from(([127, 0, 0, 1], rand::random_range(10_000..20_000)));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
