//! Connections that are open, and how they end when the process stops: each is told `Connection: close` with its next answer, and none is cut that somebody may be writing to.
//!
//! Why not leave it to the server: on a stop actix closes kept connections at once, with whatever their clients are about to write,
//! and drops those that it has accepted and not yet begun to read. Both are resets, and a provider that posts once has lost a callback.

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

/// Kept connections on which nothing has come for so long may be closed: nobody is about to use them.
const CALM: Duration = Duration::from_secs(2);
/// How long requests on kept connections may go on coming, each the last on its own. New connections are served all the while.
const LAST_CALL: Duration = Duration::from_secs(8);
/// Nothing is accepted any more by then, and what was has reached a worker.
const SETTLED: Duration = Duration::from_millis(400);
/// How long a connection that was accepted at last may take to bring its request.
const LAST_REQUEST: Duration = Duration::from_secs(1);

/// The open connections of a server, and whether it is about to end.
#[derive(Clone, Debug, Default)]
pub struct Connections {
    /// Those from before the end began.
    kept: watch::Sender<usize>,
    /// Those from after it; each closes with its first answer.
    late: watch::Sender<usize>,
    /// Requests on kept connections since the end began.
    last_requests: watch::Sender<u64>,
    ending: CancellationToken,
}

/// One connection; leaves its count when it is dropped.
struct Open(watch::Sender<usize>);

impl Connections {
    /// Answers what is under way and ends the server. `services.stopping` is cancelled before, so that every answer from now on ends its connection.
    ///
    /// An inherited socket is left to the next process while its last requests are answered; our own is served to the last, since its end
    /// cuts off what waits there, while a balancer that is refused may ask another replica.
    pub async fn drain(&self, server: &ServerHandle, socket: Owner) {
        self.ending.cancel();
        tokio::select! {
            () = none(&self.kept) => {}
            () = self.calm() => {}
            () = sleep(LAST_CALL) => {}
        }
        if socket == Owner::Parent {
            server.pause().await;
            // The answer to `pause` comes before the thread that accepts has heard of it.
            sleep(SETTLED).await;
            tracing::info!("new connections are left to the next process");
            // Whoever is silent for longer has connected for nothing.
            let _ = timeout(LAST_REQUEST, none(&self.late)).await;
        }
        server.stop(true).await;
    }

    /// Ends when no request has come on a kept connection for a while.
    async fn calm(&self) {
        let mut requests = self.last_requests.subscribe();
        while let Ok(Ok(())) = timeout(CALM, requests.changed()).await {}
    }

    fn count(&self, data: &mut Extensions) {
        let count = if self.ending.is_cancelled() {
            &self.late
        } else {
            &self.kept
        };
        count.send_modify(|open| *open += 1);
        data.insert(Open(count.clone()));
    }

    fn note_request(&self, request: &ServiceRequest) {
        let is_kept = request
            .conn_data::<Open>()
            .is_some_and(|open| open.0.same_channel(&self.kept));
        if is_kept && self.ending.is_cancelled() {
            self.last_requests.send_modify(|requests| *requests += 1);
        }
    }
}

/// Ends when none is open.
async fn none(count: &watch::Sender<usize>) {
    // The sender lives as long as its receiver here, so this ends by success.
    let _ = count.subscribe().wait_for(|open| *open == 0).await;
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open = open.saturating_sub(1));
    }
}

/// For the server's `on_connect`: notes a connection, whatever it is.
pub(crate) fn note(connections: &Connections) -> impl Fn(&dyn Any, &mut Extensions) + use<> {
    let connections = connections.clone();
    move |_, data| connections.count(data)
}

/// Middleware: once the process stops, an answer is the last on its connection.
pub(crate) async fn say_goodbye(
    services: web::Data<Services>,
    connections: web::Data<Connections>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    connections.note_request(&request);
    let mut response = next.call(request).await?;
    if services.stopping.is_cancelled() {
        let head = response.response_mut().head_mut();
        head.set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}
