//! `/api/v1/live`: changes of messages as server-sent events.

use std::time::Duration;

use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};
use futures_util::stream;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;

use crate::services::Services;
use crate::store::ledger::Change;
use crate::web::api::wire;

/// A comment this often keeps proxies from closing a quiet stream.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Follow changes of messages as server-sent events
///
/// `message` events carry `id`, `account`, `state` and `updated_at`; `resync` means that some were
/// missed.
#[utoipa::path(
    get,
    path = "/api/v1/live",
    operation_id = "followMessages",
    responses((status = 200, body = String, content_type = "text/event-stream", description = "Events until either side stops.")),
)]
pub(crate) async fn follow(services: web::Data<Services>) -> HttpResponse {
    let changes = services.store.changes();
    let stopping = services.stopping.clone();
    let events = stream::unfold((changes, stopping), |(mut changes, stopping)| async move {
        let text = tokio::select! {
            () = stopping.cancelled() => return None,
            change = changes.recv() => match change {
                Ok(change) => event(&change),
                Err(RecvError::Lagged(_)) => "event: resync\ndata: {}\n\n".to_owned(),
                Err(RecvError::Closed) => return None,
            },
            () = tokio::time::sleep(HEARTBEAT) => ": still here\n\n".to_owned(),
        };
        Some((
            Ok::<_, actix_web::Error>(Bytes::from(text)),
            (changes, stopping),
        ))
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("Cache-Control", "no-store"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(Box::pin(events))
}

fn event(change: &Change) -> String {
    let data = json!({
        "id": change.message.uuid(),
        "account": change.account.as_str(),
        "state": change.state.as_str(),
        "updated_at": wire::time(change.updated_at),
    });
    format!("event: message\ndata: {data}\n\n")
}
