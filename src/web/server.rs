//! The HTTP server and its limits.

use std::future::ready;
use std::net::TcpListener;
use std::num::NonZero;
use std::time::Duration;

use actix_http::{HttpService, KeepAlive, Protocol};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, map_config};
use actix_web::dev::{AppConfig, Extensions, Server, fn_service};
use actix_web::http::header::{STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::rt::net::TcpStream;
use actix_web::{App, Error, web};

use crate::web::api::openapi::OpenApiDocument;
use crate::web::base_path::{self, BasePath};
use crate::web::callback_receiver::{BODY_TIMEOUT, CallbackState};
use crate::web::client_address::TrustedProxies;
use crate::web::client_stream::ClientStream;
use crate::web::connection_table::{ConnectionLimits, ConnectionTable};
use crate::web::connections::{self, Connections};
use crate::web::host_check::{self, OwnHosts};
use crate::web::live_streams::LiveStreams;
use crate::web::metrics_endpoint::LastCredentials;
use crate::web::open_files::raise_limit;
use crate::web::request_body::{self, BodyTime};
use crate::web::request_id;
use crate::web::route_registration::ServedRoutes;
use crate::web::session_cookie::{SessionCookies, is_secure};
use crate::web::web_state::{self, WebState, WorkerState};
use crate::web::{configure, routes};

/// How long a stop waits for requests in flight, in seconds.
const SHUTDOWN_SECONDS: u64 = 15;
/// Longer than most clients keep an idle connection: if the server closes it, a request that the
/// client is just sending is lost.
const KEEP_ALIVE: Duration = Duration::from_secs(100);
/// How long the rest of a request is read and dropped after an early response, so that the client
/// can read the response.
const LINGER: Duration = Duration::from_secs(1);
/// How often connections that take too long are ended.
const SWEEP_INTERVAL: Duration = Duration::from_millis(500);
/// The connection table enforces limits that actix has too, but later by this much.
const MARGIN: Duration = Duration::from_secs(1);

/// How long clients may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deadlines {
    /// How long the head of a request may take.
    pub head: Duration,
    /// How long the body of a request may take.
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

/// For all listeners together. An idle connection holds up to about 130 KiB.
const CONNECTION_LIMIT: usize = 4096;
/// The limit divided by this may be accepted beyond it, before others have closed for them.
const OVERLAP_SHARE: usize = 8;
/// One in this many connections is reserved for callbacks.
const RESERVE_SHARE: usize = 4;
/// Files and sockets for other purposes: databases, spool, calls to providers.
const OTHER_FILES: u64 = 256;
/// Connections get at least one in this many files: the other purposes need about fifty.
const CONNECTION_SHARE: u64 = 8;

/// Runs a future on actix's runtime.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    actix_web::rt::System::with_tokio_rt(runtime).block_on(future)
}

/// The runtime for everything but HTTP: actix's workers have their own threads, so that parsing a
/// large request does not delay the journal.
fn runtime() -> tokio::runtime::Runtime {
    let multi = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match multi {
        Ok(runtime) => runtime,
        Err(error) => panic!("threads cannot be started: {error}"),
    }
}

/// What one listener serves, and how.
#[derive(Clone, Copy, Debug)]
pub struct ServerSettings {
    pub routes: ServedRoutes,
    /// Listeners of this process; they share the limit of connections.
    pub listeners: usize,
    pub deadlines: Deadlines,
}

impl Default for ServerSettings {
    /// One listener for everything.
    fn default() -> Self {
        Self {
            routes: ServedRoutes::All,
            listeners: 1,
            deadlines: Deadlines::default(),
        }
    }
}

/// The server runs while it is polled. It handles no signals; [`Connections::drain`] stops it.
pub fn start(
    listener: TcpListener,
    state: impl Into<WebState>,
    open: &Connections,
    settings: ServerSettings,
) -> std::io::Result<Server> {
    let deadlines = settings.deadlines;
    let workers = std::thread::available_parallelism().map_or(2, NonZero::get);
    let accepted = accepted_limit() / settings.listeners;
    let table = ConnectionTable::new(connection_limits(accepted, settings));
    actix_web::rt::spawn(sweep(table.clone()));
    let state = state.into();
    let services = state.receiving_services();
    let callbacks = web::Data::new(CallbackState {
        ingest: services.ingest.clone(),
        keys: services.keys.clone(),
        accounts: services.known_accounts.clone(),
        clock: services.clock.clone(),
        body_timeout: deadlines.body,
    });
    let document = web::Data::new(OpenApiDocument::new(&services.config.public_url, &routes()));
    let last_credentials = web::Data::new(LastCredentials::default());
    let live_streams = web::Data::new(LiveStreams::default());
    let body_time = web::Data::new(BodyTime(deadlines.body));
    let own_hosts = OwnHosts::new(&services.config.public_url, &services.config.listen);
    let own_hosts = web::Data::new(own_hosts);
    let base_path = web::Data::new(BasePath::of(&services.config.public_url));
    let trusted_proxies = TrustedProxies(services.config.trusted_proxies.clone());
    let trusted_proxies = web::Data::new(trusted_proxies);
    let keys = services.keys.clone();
    let public_url = services.config.public_url.clone();
    let shared = web::Data::new(state.clone());
    let shared_connections = web::Data::new(open.clone());
    let builder = Server::build();
    let stopping = builder.graceful_shutdown_signal();
    let factory = move || {
        let cookies = SessionCookies {
            key: keys.session(),
            public_url: &public_url,
        };
        let worker = WorkerState::new(state.clone());
        let provide =
            from_fn(move |request, next| web_state::provide(worker.clone(), request, next));
        let app = App::new()
            .app_data(callbacks.clone())
            .app_data(document.clone())
            .app_data(last_credentials.clone())
            .app_data(live_streams.clone())
            .app_data(body_time.clone())
            .app_data(own_hosts.clone())
            .app_data(base_path.clone())
            .app_data(trusted_proxies.clone())
            .app_data(shared.clone())
            .app_data(shared_connections.clone())
            .wrap(provide)
            .wrap(from_fn(request_body::limit))
            .wrap(from_fn(host_check::check))
            .wrap(from_fn(connections::track))
            .wrap(default_headers(&public_url))
            .wrap(from_fn(base_path::apply))
            .wrap(from_fn(request_id::assign))
            .configure(|config| configure(config, settings.routes, cookies))
            .into_factory()
            .map_err(|error: Error| error.error_response());
        let stopping = stopping.clone();
        let counted = shared_connections.clone();
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
            .client_request_timeout(deadlines.head)
            .client_disconnect_timeout(LINGER)
            .on_connect_ext(move |stream: &ClientStream, data: &mut Extensions| {
                counted.count(data);
                data.insert(stream.handle());
            })
            .finish(map_config(app, |()| AppConfig::default()));
        let table = table.clone();
        fn_service(move |socket: TcpStream| {
            let peer = socket.peer_addr().ok();
            ready(Ok((
                ClientStream::new(socket, &table),
                Protocol::Http1,
                peer,
            )))
        })
        .and_then(http)
    };
    let server = builder
        .workers(workers)
        .max_concurrent_connections((accepted / workers).max(1))
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .disable_signals()
        .listen("http", listener, factory)?;
    Ok(server.run())
}

/// With HTTPS, browsers must use only HTTPS for a year.
fn default_headers(public_url: &str) -> DefaultHeaders {
    let headers = DefaultHeaders::new().add((X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if is_secure(public_url) {
        headers.add((STRICT_TRANSPORT_SECURITY, "max-age=31536000"))
    } else {
        headers
    }
}

/// Sweeps the table until the server has ended.
async fn sweep(table: ConnectionTable) {
    let table = table.downgrade();
    while let Some(table) = table.upgrade() {
        table.sweep();
        drop(table);
        tokio::time::sleep(SWEEP_INTERVAL).await;
    }
}

fn connection_limits(accepted: usize, settings: ServerSettings) -> ConnectionLimits {
    let total = accepted - accepted / (OVERLAP_SHARE + 1);
    ConnectionLimits {
        total,
        reserve: match settings.routes {
            ServedRoutes::All | ServedRoutes::Callbacks => total / RESERVE_SHARE,
            ServedRoutes::AllButCallbacks => 0,
        },
        head: settings.deadlines.head + MARGIN,
        idle: KEEP_ALIVE + MARGIN,
    }
}

/// How many connections may be accepted: what the limit of open files leaves, after raising that limit
/// as far as needed and possible.
fn accepted_limit() -> usize {
    let most = CONNECTION_LIMIT + CONNECTION_LIMIT / OVERLAP_SHARE;
    let wanted = most as u64 + OTHER_FILES;
    let allowed = raise_limit(wanted);
    let others = OTHER_FILES.min(allowed - allowed / CONNECTION_SHARE);
    usize::try_from(allowed - others).unwrap_or(most)
}
