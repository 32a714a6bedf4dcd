//! Connections that are open, and how they end when the process stops: each is told `Connection: close` with its next answer, and none is cut that somebody may be writing to.
//!
//! Why not leave it to the server: on a stop actix closes kept connections at once, with whatever their clients have just written,
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
use tokio::time::{Instant, sleep_until, timeout};

use crate::delivery::services::Services;
use crate::web::server::Owner;

/// What was accepted has surely reached a worker by then.
const SETTLED: Duration = Duration::from_millis(400);
/// Kept connections on which nothing has come for so long are closed: nobody is about to use them.
const CALM: Duration = Duration::from_secs(1);
/// How long requests on kept connections may go on coming, each the last on its own, while new ones wait in an inherited socket.
const LONGEST_CALL: Duration = Duration::from_secs(10);
/// The same where new connections are accepted all the while, so that there may be no end.
const OWN_SOCKET_CALL: Duration = Duration::from_secs(2);

/// How many connections are open, and how many requests have come since the process was asked to stop.
#[derive(Clone, Debug, Default)]
pub struct Connections {
    open: watch::Sender<usize>,
    late: watch::Sender<u64>,
}

/// One of them; leaves the count when it is dropped with its connection.
struct Open(watch::Sender<usize>);

impl Connections {
    /// Answers what is under way and ends the server. `services.stopping` is cancelled before, so that every answer from now on ends its connection.
    ///
    /// On an inherited socket nothing more is accepted: it waits for the next process. On our own it is accepted to the last, since the end
    /// of the socket cuts off what waits there, while a balancer that is refused may ask another replica.
    pub async fn drain(&self, server: &ServerHandle, socket: Owner) {
        let begun = Instant::now();
        let longest = match socket {
            Owner::Parent => {
                server.pause().await;
                sleep_until(begun + SETTLED).await;
                LONGEST_CALL
            }
            Owner::Process => OWN_SOCKET_CALL,
        };
        let mut open = self.open.subscribe();
        tokio::select! {
            _ = open.wait_for(|open| *open == 0) => {}
            () = self.calm() => {}
            () = sleep_until(begun + longest) => {}
        }
        server.stop(true).await;
    }

    /// Ends when no request has come for a while.
    async fn calm(&self) {
        let mut late = self.late.subscribe();
        while let Ok(Ok(())) = timeout(CALM, late.changed()).await {}
    }

    fn count(&self, data: &mut Extensions) {
        self.open.send_modify(|open| *open += 1);
        data.insert(Open(self.open.clone()));
    }
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
    if services.stopping.is_cancelled() {
        connections.late.send_modify(|late| *late += 1);
    }
    let mut response = next.call(request).await?;
    if services.stopping.is_cancelled() {
        let head = response.response_mut().head_mut();
        head.set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}
