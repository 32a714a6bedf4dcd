//! Open connections, and how they end when the process stops: each gets `Connection: close` with its
//! next response, and none is closed while its client may be sending a request.
//!
//! When it stops, actix closes idle connections at once, and drops connections that it has accepted
//! but not read from. Both are resets, and a callback of a provider that never retries would be lost.

use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Extensions, ServerHandle, ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::middleware::Next;
use actix_web::web;
use actix_web::{Error, ResponseError};
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::web::connection_table::ConnectionHandle;
use crate::web::error::ApiError;
use crate::web::guarded_body::keep_until_written;
use crate::web::listener::SocketOwner;
use crate::web::route_registration::{HEALTH_PATH, is_callback_path, is_media_path};
use crate::web::tracked_connection::{Activity, Purpose};
use crate::web::web_state::WebState;

/// Answered even while other requests get 503: otherwise a load balancer would send no callbacks.
const PROBE_PATHS: [&str; 2] = [HEALTH_PATH, "/readyz"];

/// Connections without a new request for this long are considered idle and may be closed.
const IDLE_TIME: Duration = Duration::from_secs(2);
/// How long requests on existing connections are waited for; each is the last on its connection. New
/// connections are served meanwhile.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(8);
/// Time until a paused server accepts nothing more, and every accepted connection has a worker.
const PAUSE_TIME: Duration = Duration::from_millis(400);
/// How long a request on a connection that was accepted last is waited for.
const LAST_REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

/// The open connections of all servers of the process, and whether they are stopping.
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
    /// Finishes running requests and stops the servers. `services.stopping` must be cancelled before,
    /// so that every further response closes its connection.
    ///
    /// An inherited socket stays open for the next process, so this one stops accepting before its
    /// last requests are answered. A socket of our own accepts until the end: closing it resets the
    /// connections in its backlog, whereas a load balancer that is refused can try another replica.
    pub async fn drain(&self, servers: &[(ServerHandle, SocketOwner)]) {
        self.stopping.cancel();
        tokio::select! {
            () = all_closed(&self.existing) => {}
            () = self.wait_until_idle() => {}
            () = sleep(DRAIN_TIMEOUT) => {}
        }
        let inherited = servers
            .iter()
            .filter(|(_, owner)| *owner == SocketOwner::ParentProcess);
        let paused = join_all(inherited.map(|(server, _)| server.pause())).await;
        if !paused.is_empty() {
            // `pause` returns before the accepting thread has processed it.
            sleep(PAUSE_TIME).await;
            tracing::info!("new connections are left to the next process");
            // A client that sends nothing for longer has no request.
            let _ = timeout(LAST_REQUEST_TIMEOUT, all_closed(&self.late)).await;
        }
        join_all(servers.iter().map(|(server, _)| server.stop(true))).await;
    }

    /// Returns when no request has come on an existing connection for [`IDLE_TIME`].
    async fn wait_until_idle(&self) {
        let mut requests = self.last_requests.subscribe();
        while let Ok(Ok(())) = timeout(IDLE_TIME, requests.changed()).await {}
    }

    /// Counts a new connection; called by the server's `on_connect`.
    pub(super) fn count(&self, data: &mut Extensions) {
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

/// Middleware: reports to the connection table what happens on a connection. Each response closes its
/// connection while the process stops, or where the connection table requires it.
pub(crate) async fn track(
    state: web::Data<WebState>,
    connections: web::Data<Connections>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    connections.count_request(&request);
    let handle = request.conn_data::<ConnectionHandle>().cloned();
    let is_media = is_media_path(request.path());
    if let Some(handle) = &handle {
        handle.connection.begin(Activity::Response);
        // The purpose of a callback is set when its token is verified.
        if is_media || !is_callback_path(request.path()) {
            handle.set_purpose(Purpose::Other);
            if handle.must_refuse_others() && !PROBE_PATHS.contains(&request.path()) {
                handle.connection.begin(Activity::Waiting);
                let mut refusal = ApiError::Busy.error_response();
                refusal
                    .head_mut()
                    .set_connection_type(ConnectionType::Close);
                return Ok(request.into_response(refusal));
            }
        }
    }
    let result = next.call(request).await;
    let Some(handle) = handle else {
        return result;
    };
    let mut response = result.inspect_err(|_| handle.connection.begin(Activity::Waiting))?;
    if state.receiving_services().stopping.is_cancelled() || handle.must_close() {
        let head = response.response_mut().head_mut();
        head.set_connection_type(ConnectionType::Close);
    }
    let is_long = match response.response().body().size() {
        BodySize::Stream => true,
        BodySize::Sized(size) => is_media && size > 0,
        BodySize::None => false,
    };
    if is_long {
        let streamed = LongResponse(handle);
        return Ok(response.map_body(|_, body| keep_until_written(body, streamed)));
    }
    handle.connection.begin(Activity::Waiting);
    Ok(response)
}

/// A response of unknown length, or a file. Until its end the connection is not idle.
struct LongResponse(ConnectionHandle);

impl Drop for LongResponse {
    fn drop(&mut self) {
        self.0.connection.begin(Activity::Waiting);
    }
}
