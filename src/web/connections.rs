//! Open connections, and how they end when the process stops: each gets `Connection: close` with its
//! next response, and none is closed while its client may be sending a request.
//!
//! When it stops, actix closes idle connections at once, and drops connections that it has accepted
//! but not read from. Both are resets, and a provider that posts only once has then lost a callback.

use std::any::Any;
use std::time::Duration;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{Extensions, ServerHandle, ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::middleware::Next;
use actix_web::web;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::services::Services;
use crate::web::listener::Owner;

/// Connections without a new request for this long are considered idle and may be closed.
const IDLE_TIME: Duration = Duration::from_secs(2);
/// How long requests on existing connections are waited for; each is the last on its connection. New
/// connections are served meanwhile.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(8);
/// Time until a paused server accepts nothing more, and every accepted connection has a worker.
const PAUSE_TIME: Duration = Duration::from_millis(400);
/// How long a request on a connection that was accepted last is waited for.
const LAST_REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

/// The open connections of a server, and whether it is stopping.
#[derive(Clone, Debug, Default)]
pub struct Connections {
    /// Connections opened before the stop began.
    existing: watch::Sender<usize>,
    /// Connections opened after it; each closes after its first response.
    late: watch::Sender<usize>,
    /// Requests on existing connections since the stop began.
    last_requests: watch::Sender<u64>,
    stopping: CancellationToken,
}

/// One connection; uncounts itself when it is dropped.
struct OpenConnection(watch::Sender<usize>);

impl Connections {
    /// Finishes running requests and stops the server. `services.stopping` must be cancelled before,
    /// so that every further response closes its connection.
    ///
    /// An inherited socket stays open for the next process, so this one stops accepting before its
    /// last requests are answered. A socket of our own accepts until the end: closing it resets the
    /// connections in its backlog, whereas a load balancer that is refused can try another replica.
    pub async fn drain(&self, server: &ServerHandle, socket: Owner) {
        self.stopping.cancel();
        tokio::select! {
            () = all_closed(&self.existing) => {}
            () = self.until_idle() => {}
            () = sleep(DRAIN_TIMEOUT) => {}
        }
        if socket == Owner::Parent {
            server.pause().await;
            // `pause` returns before the accepting thread has processed it.
            sleep(PAUSE_TIME).await;
            tracing::info!("new connections are left to the next process");
            // A client that sends nothing for longer has no request.
            let _ = timeout(LAST_REQUEST_TIMEOUT, all_closed(&self.late)).await;
        }
        server.stop(true).await;
    }

    /// Returns when no request has come on an existing connection for [`IDLE_TIME`].
    async fn until_idle(&self) {
        let mut requests = self.last_requests.subscribe();
        while let Ok(Ok(())) = timeout(IDLE_TIME, requests.changed()).await {}
    }

    fn count(&self, data: &mut Extensions) {
        let count = if self.stopping.is_cancelled() {
            &self.late
        } else {
            &self.existing
        };
        count.send_modify(|open| *open += 1);
        data.insert(OpenConnection(count.clone()));
    }

    fn count_request(&self, request: &ServiceRequest) {
        let is_existing = request
            .conn_data::<OpenConnection>()
            .is_some_and(|open| open.0.same_channel(&self.existing));
        if is_existing && self.stopping.is_cancelled() {
            self.last_requests.send_modify(|requests| *requests += 1);
        }
    }
}

async fn all_closed(count: &watch::Sender<usize>) {
    // Cannot fail: the sender outlives its receiver.
    let _ = count.subscribe().wait_for(|open| *open == 0).await;
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open = open.saturating_sub(1));
    }
}

/// For the server's `on_connect`.
pub(crate) fn count_connections(
    connections: &Connections,
) -> impl Fn(&dyn Any, &mut Extensions) + use<> {
    let connections = connections.clone();
    move |_, data| connections.count(data)
}

/// Middleware: while the process stops, each response closes its connection.
pub(crate) async fn close_on_shutdown(
    services: web::Data<Services>,
    connections: web::Data<Connections>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    connections.count_request(&request);
    let mut response = next.call(request).await?;
    if services.stopping.is_cancelled() {
        let head = response.response_mut().head_mut();
        head.set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}
