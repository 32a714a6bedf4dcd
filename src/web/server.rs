//! The HTTP server and its limits.

use std::net::TcpListener;
use std::num::NonZero;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::services::Services;
use crate::web::api::openapi::OpenApiDocument;
use crate::web::auth::{Access, session_middleware};
use crate::web::callback_receiver::{BODY_TIMEOUT, CallbackState};
use crate::web::connections::{self, Connections};
use crate::web::metrics_endpoint::LastReader;
use crate::web::{configure, routes, unfinished_body};

/// For requests in flight at a stop, in seconds.
const SHUTDOWN_SECONDS: u64 = 15;
/// Longer than most clients keep an idle connection: if the server closes it, a request that the
/// client is just sending is lost.
const KEEP_ALIVE: Duration = Duration::from_secs(100);

/// How long clients may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deadlines {
    /// For the head of a request.
    pub head: Duration,
    /// For the body of a callback.
    pub body: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            body: BODY_TIMEOUT,
        }
    }
}

/// In all workers. An idle connection holds up to about 130 KiB. Further connections wait in the
/// backlog.
const CONNECTION_LIMIT: usize = 4096;
/// Files and sockets for other purposes: databases, spool, calls to providers.
const OTHER_FILES: u64 = 256;
/// Connections that wait to be accepted. A burst of callbacks must not be refused.
const BACKLOG: u32 = 1024;

/// Runs a future on actix's runtime.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    actix_web::rt::System::with_tokio_rt(runtime).block_on(future)
}

/// For everything but HTTP: actix's workers have their own threads, so that parsing a large request
/// does not delay the journal.
fn runtime() -> tokio::runtime::Runtime {
    let multi = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match multi {
        Ok(runtime) => runtime,
        Err(error) => panic!("threads cannot be started: {error}"),
    }
}

/// The server runs while it is polled. It handles no signals; [`Connections::drain`] stops it.
pub fn start(
    listener: TcpListener,
    services: Services,
    open: &Connections,
) -> std::io::Result<Server> {
    start_with(listener, services, open, Deadlines::default())
}

pub fn start_with(
    listener: TcpListener,
    services: Services,
    open: &Connections,
    deadlines: Deadlines,
) -> std::io::Result<Server> {
    let workers = std::thread::available_parallelism().map_or(2, NonZero::get);
    let callbacks = web::Data::new(CallbackState {
        ingest: services.ingest.clone(),
        keys: services.keys.clone(),
        accounts: services.known_accounts.clone(),
        clock: services.clock.clone(),
        body_timeout: deadlines.body,
    });
    let access = web::Data::new(Access {
        store: services.store.clone(),
        clock: services.clock.clone(),
        public_url: services.config.public_url.clone(),
    });
    let document = web::Data::new(OpenApiDocument::new(&services.config.public_url, &routes()));
    let last_reader = web::Data::new(LastReader::default());
    let keys = services.keys.clone();
    let public_url = services.config.public_url.clone();
    let shared = web::Data::new(services);
    let shared_connections = web::Data::new(open.clone());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(callbacks.clone())
            .app_data(access.clone())
            .app_data(document.clone())
            .app_data(last_reader.clone())
            .app_data(shared.clone())
            .app_data(shared_connections.clone())
            .wrap(session_middleware(keys.session(), &public_url))
            .wrap(from_fn(connections::close_on_shutdown))
            .wrap(from_fn(unfinished_body::close))
            .configure(configure)
    })
    .on_connect(connections::count_connections(open))
    .backlog(BACKLOG)
    .workers(workers)
    .max_connections((connection_limit() / workers).max(1))
    .keep_alive(KEEP_ALIVE)
    .client_request_timeout(deadlines.head)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .disable_signals()
    .listen(listener)?;
    Ok(server.run())
}

/// Raises the limit of open files as far as possible; what it leaves is the limit of connections.
fn connection_limit() -> usize {
    let wanted = CONNECTION_LIMIT as u64 + OTHER_FILES;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit {
            current: Some(limit.maximum.map_or(wanted, |most| most.min(wanted))),
            maximum: limit.maximum,
        };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit = raised;
        }
    }
    let allowed = limit.current.unwrap_or(wanted).min(wanted);
    usize::try_from(allowed.saturating_sub(OTHER_FILES)).unwrap_or(CONNECTION_LIMIT)
}
