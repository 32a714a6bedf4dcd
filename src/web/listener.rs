//! The listening sockets: inherited from systemd, or bound.

use std::io::ErrorKind;
use std::net::TcpListener;

use listenfd::ListenFd;
use thiserror::Error;

#[derive(Debug)]
pub struct Listener {
    pub socket: TcpListener,
    pub owner: SocketOwner,
}

/// The process that opened a listening socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SocketOwner {
    /// Connections that wait in the socket are accepted by the next process.
    ParentProcess,
    /// Connections that wait in the socket when this process ends are closed.
    ThisProcess,
}

/// The listening sockets of a process.
#[derive(Debug)]
pub struct Listeners {
    pub main: Listener,
    /// For callbacks only.
    pub callbacks: Option<Listener>,
}

/// Inherits the sockets from systemd (`LISTEN_FDS`): first the main one, then that for callbacks. A
/// socket that is not inherited is bound to its address.
pub fn open(address: &str, callback_address: Option<&str>) -> Result<Listeners, ListenError> {
    let mut inherited = ListenFd::from_env();
    let mut open_one = |index, key, address: &str| {
        inherit_or_bind(&mut inherited, index, address).map_err(|source| ListenError {
            key,
            address: address.to_owned(),
            source,
        })
    };
    Ok(Listeners {
        main: open_one(0, "listen", address)?,
        callbacks: callback_address
            .map(|address| open_one(1, "callback_listen", address))
            .transpose()?,
    })
}

/// A socket that cannot be opened.
#[derive(Debug, Error)]
#[error("{key} {address}: {source}{}", remedy(.key, .source))]
pub struct ListenError {
    /// The configuration key.
    key: &'static str,
    address: String,
    source: std::io::Error,
}

fn remedy(key: &str, source: &std::io::Error) -> String {
    match source.kind() {
        ErrorKind::AddrInUse => format!(
            "; another program listens there: stop it, or set {key} to another port (`ss -ltnp` lists who listens)"
        ),
        ErrorKind::PermissionDenied => {
            format!("; set {key} to a port from 1024, and put a proxy in front of it")
        }
        ErrorKind::AddrNotAvailable => format!(
            "; this machine does not have the address: set {key} to one that it has, or to 0.0.0.0 for all"
        ),
        _ => String::new(),
    }
}

/// Connections that wait to be accepted. A burst of callbacks must not be refused.
const BACKLOG: i32 = 1024;

fn bind(address: &str) -> std::io::Result<TcpListener> {
    let socket = TcpListener::bind(address)?;
    // The standard library's is 128; a second call replaces it.
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

fn inherit_or_bind(
    inherited: &mut ListenFd,
    index: usize,
    address: &str,
) -> std::io::Result<Listener> {
    let inherited = inherited.take_tcp_listener(index)?;
    let (socket, owner) = match inherited {
        Some(socket) => (socket, SocketOwner::ParentProcess),
        None => (bind(address)?, SocketOwner::ThisProcess),
    };
    socket.set_nonblocking(true)?;
    Ok(Listener { socket, owner })
}
