//! The listening socket: inherited from systemd, or bound.

use std::net::TcpListener;

#[derive(Debug)]
pub struct Listener {
    pub socket: TcpListener,
    pub owner: Owner,
}

/// Of a listening socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// The process that started this one: connections that wait in the socket are accepted by the
    /// next process.
    Parent,
    /// This process: connections that wait in the socket at its end are closed.
    Process,
}

/// Inherits the socket from systemd (`LISTEN_FDS`); without one, binds `address`.
pub fn open(address: &str) -> std::io::Result<Listener> {
    let inherited = listenfd::ListenFd::from_env().take_tcp_listener(0)?;
    let (socket, owner) = match inherited {
        Some(socket) => (socket, Owner::Parent),
        None => (TcpListener::bind(address)?, Owner::Process),
    };
    socket.set_nonblocking(true)?;
    Ok(Listener { socket, owner })
}
