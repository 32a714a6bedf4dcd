//! The HTTP server: its listener, its limits, its way to stop.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpServer, web};

use crate::delivery::services::Services;
use crate::web::api::openapi::Document;
use crate::web::auth::{Access, session_middleware};
use crate::web::callbacks::{BODY_TIMEOUT, CallbackState};
use crate::web::metrics::LastReader;
use crate::web::routes;

/// How long requests in flight may take after a stop was asked for.
const SHUTDOWN: u64 = 15;
/// How long a client may take to send its request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections waiting to be accepted while every worker is busy; a burst of callbacks must not be refused.
const BACKLOG: u32 = 1024;

/// A socket to listen on: inherited from systemd (`LISTEN_FDS`), else bound to `address`.
pub fn listener(address: &str) -> std::io::Result<TcpListener> {
    let inherited = listenfd::ListenFd::from_env().take_tcp_listener(0)?;
    let listener = match inherited {
        Some(listener) => listener,
        None => TcpListener::bind(address)?,
    };
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Runs a future on the server's own runtime.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    actix_web::rt::System::with_tokio_rt(runtime).block_on(future)
}

/// Threads for everything but HTTP, whose workers have their own: a large callback that is being read must not hold up the journal.
fn runtime() -> tokio::runtime::Runtime {
    let multi = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match multi {
        Ok(runtime) => runtime,
        Err(error) => panic!("threads cannot be started: {error}"),
    }
}

/// Starts serving; the server runs as soon as it is polled. Signals are the caller's.
pub fn start(listener: TcpListener, services: Services) -> std::io::Result<Server> {
    let callbacks = web::Data::new(CallbackState {
        ingest: services.ingest.clone(),
        keys: services.keys.clone(),
        accounts: services.known_accounts.clone(),
        clock: services.clock.clone(),
        body_timeout: BODY_TIMEOUT,
    });
    let access = web::Data::new(Access {
        store: services.store.clone(),
        clock: services.clock.clone(),
        public_url: services.config.public_url.clone(),
    });
    let document = web::Data::new(Document::new(&services.config.public_url));
    let last_reader = web::Data::new(LastReader::default());
    let keys = services.keys.clone();
    let public_url = services.config.public_url.clone();
    let shared = web::Data::new(services);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(callbacks.clone())
            .app_data(access.clone())
            .app_data(document.clone())
            .app_data(last_reader.clone())
            .app_data(shared.clone())
            .wrap(session_middleware(keys.session(), &public_url))
            .configure(routes)
    })
    .backlog(BACKLOG)
    .client_request_timeout(HEAD_TIMEOUT)
    .shutdown_timeout(SHUTDOWN)
    .disable_signals()
    .listen(listener)?;
    Ok(server.run())
}
