//! `/api/v1/live`: changes of messages as server-sent events.

use std::task::Poll;
use std::time::Duration;

use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::domain::scope::{Caller, CallerKind};
use crate::services::Services;
use crate::store::ledger::FeedChange;
use crate::web::api::wire;
use crate::web::connection_table::ConnectionHandle;
use crate::web::error::ApiError;
use crate::web::live_streams::{LiveStream, LiveStreams};

/// A comment this often keeps proxies from closing a quiet stream.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often a stream checks that its token or session is still valid.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Follow changes of messages as server-sent events
///
/// `message` events carry `id`, `account`, `state` and `updated_at`; `resync` means that some were
/// missed. A token or session may have 5 streams, a process 100. A stream ends within seconds after
/// its token was revoked or its session ended.
#[utoipa::path(
    get,
    path = "/api/v1/live",
    operation_id = "followMessages",
    responses((status = 200, body = String, content_type = "text/event-stream", description = "Events until either side stops.")),
)]
pub(crate) async fn follow(
    services: web::Data<Services>,
    streams: web::Data<LiveStreams>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let mut checks = interval(CHECK_INTERVAL);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let follower = Follower {
        changes: services.store.changes(),
        entry: streams.open(&caller.kind)?,
        services,
        caller,
        checks,
    };
    let events = stream::unfold(follower, |mut follower| async move {
        let text = follower.next().await?;
        Some((Ok::<_, actix_web::Error>(Bytes::from(text)), follower))
    });
    let mut events = Box::pin(events);
    let handle = request.conn_data::<ConnectionHandle>().cloned();
    // A client that has closed its side is gone; without this, only the next events would show it.
    let events = stream::poll_fn(move |context| match &handle {
        Some(handle) if handle.is_half_closed() => Poll::Ready(None),
        _ => events.poll_next_unpin(context),
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("Cache-Control", "no-store"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(events))
}

/// One stream.
struct Follower {
    services: web::Data<Services>,
    changes: Receiver<FeedChange>,
    entry: LiveStream,
    caller: Caller,
    checks: Interval,
}

impl Follower {
    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<String> {
        let quiet = tokio::time::sleep(HEARTBEAT);
        tokio::pin!(quiet);
        loop {
            tokio::select! {
                () = self.services.stopping.cancelled() => return None,
                () = self.entry.ended.cancelled() => return None,
                change = self.changes.recv() => return match change {
                    Ok(change) if !self.caller.accounts.allows(&change.account) => continue,
                    Ok(change) => Some(event(&change)),
                    Err(RecvError::Lagged(_)) => Some("event: resync\ndata: {}\n\n".to_owned()),
                    Err(RecvError::Closed) => None,
                },
                () = &mut quiet => return Some(": still here\n\n".to_owned()),
                _ = self.checks.tick() => {
                    if self.has_lost_access().await {
                        return None;
                    }
                }
            }
        }
    }

    async fn has_lost_access(&self) -> bool {
        let (store, now) = (&self.services.store, self.services.clock.now());
        let valid = match self.caller.kind {
            CallerKind::Token(id) => store.is_token_valid(id, now).await,
            CallerKind::Session { session, .. } => store.is_session_valid(session, now).await,
        };
        // While the database does not answer, nothing changes either.
        valid.is_ok_and(|valid| !valid)
    }
}

fn event(change: &FeedChange) -> String {
    let data = json!({
        "id": change.message.uuid(),
        "account": change.account.as_str(),
        "state": change.state.as_str(),
        "updated_at": wire::time(change.updated_at),
    });
    format!("event: message\ndata: {data}\n\n")
}
