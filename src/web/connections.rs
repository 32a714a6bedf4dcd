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
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::delivery::services::Services;

/// What was accepted has surely reached a worker by then.
const SETTLED: Duration = Duration::from_millis(150);
/// How long kept connections may still bring a request. Busy ones bring it sooner; one that was silent for so long is closed.
const LAST_CALL: Duration = Duration::from_secs(1);

/// How many connections are open.
#[derive(Clone, Debug, Default)]
pub struct Connections(watch::Sender<usize>);

/// One of them; leaves the count when it is dropped with its connection.
struct Open(watch::Sender<usize>);

impl Connections {
    /// For the server's `on_connect`.
    pub(crate) fn count(&self, data: &mut Extensions) {
        self.0.send_modify(|open| *open += 1);
        data.insert(Open(self.0.clone()));
    }

    /// Accepts nothing more, answers what is under way, and ends the server. The listening socket stays with whoever else holds it.
    ///
    /// `services.stopping` is cancelled before, so that every answer from now on ends its connection.
    pub async fn drain(&self, server: &ServerHandle) {
        server.pause().await;
        let begun = Instant::now();
        sleep_until(begun + SETTLED).await;
        let mut open = self.0.subscribe();
        // The sender lives in `self`, so this ends by success or by the clock.
        let _ = timeout_at(begun + LAST_CALL, open.wait_for(|open| *open == 0)).await;
        server.stop(true).await;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open = open.saturating_sub(1));
    }
}

/// Notes a new connection, whatever it is.
pub(crate) fn note(connections: &Connections) -> impl Fn(&dyn Any, &mut Extensions) + use<> {
    let connections = connections.clone();
    move |_, data| connections.count(data)
}

/// Middleware: once the process stops, an answer is the last on its connection.
pub(crate) async fn say_goodbye(
    services: web::Data<Services>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    if services.stopping.is_cancelled() {
        let head = response.response_mut().head_mut();
        head.set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}
