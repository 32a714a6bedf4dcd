//! `POST /api/v1/messages`: accepts a message, and waits for its submission if the caller prefers
//! that.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use tokio::sync::broadcast::Receiver;
use tokio::time::{Instant, timeout_at};

use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::MessageId;
use crate::domain::message::{Message, Origin};
use crate::domain::scope::{Caller, Visibility};
use crate::sending::accept::{KeyedRequest, RequestKey, RequestRepeat, StoredMessage};
use crate::services::Services;
use crate::store::attempts::Attempt;
use crate::store::ledger::FeedChange;
use crate::store::messages::FoundMessage;
use crate::web::api::account_check::require_account;
use crate::web::api::documented_responses::IdempotencyKeyReused;
use crate::web::api::send_body::{self, SendForm};
use crate::web::api::wire;
use crate::web::api::wire::message_parts::FailureResponse;
use crate::web::api::wire::send_request::{SendRequest, StoredMessageResponse};
use crate::web::error::ApiError;

/// In characters.
const KEY_LIMIT: usize = 255;
const WAIT_LIMIT: Duration = Duration::from_secs(30);
/// Another process may send the message, so the database is read repeatedly.
const WAIT_STEP: Duration = Duration::from_millis(250);

/// Send an image or a video
///
/// The message is stored before the response and submitted afterwards. `Prefer: wait=N` waits up to
/// N seconds for the submission: 201 once the provider accepted the message, else 202 with the
/// state so far, and `failure` if it failed. A repeated `Idempotency-Key` with a request of the same
/// meaning gets the first response again, with `Idempotency-Replayed: true`. With
/// multipart/form-data the file is uploaded: LancePilot gets its bytes, other providers fetch it
/// from `/media`.
#[utoipa::path(
    post,
    path = "/api/v1/messages",
    operation_id = "sendMessage",
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$", description = "1 to 255 ASCII characters, per account; kept as long as messages are."),
        ("Prefer" = Option<String>, Header, description = "`wait=N`, at most 30 seconds."),
    ),
    request_body(content((SendRequest = "application/json"), (inline(SendForm) = "multipart/form-data"))),
    responses(
        (status = 201, body = StoredMessageResponse, description = "Submitted to the provider."),
        (status = 202, body = StoredMessageResponse, description = "Accepted; `state` and `failure` say what has happened so far."),
        IdempotencyKeyReused,
    ),
)]
pub(crate) async fn send(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let key_name = idempotency_key(&request)?;
    let wait = preferred_wait(&request)?;
    let received = send_body::receive(&services, &request, payload).await?;
    require_account(&caller, &received.input.account)?;
    let key = key_name.map(|name| RequestKey {
        name,
        request: KeyedRequest::Meaning {
            body_hash: received.body_hash.clone(),
        },
    });
    let changes = services.store.changes();
    let now = services.clock.now();
    let account = received.input.account.clone();
    let stored = services.acceptor.accept(received.input, key, now).await?;
    services.dispatch_wakeup.notify_one();
    let waited = wait_for_outcome(&services, stored.id, wait, changes).await?;
    let visibility = caller.visibility();
    answer(&services, &account, &stored, waited.as_deref(), visibility).await
}

async fn answer(
    services: &Services,
    account: &str,
    stored: &StoredMessage,
    waited: Option<&Message>,
    visibility: Visibility,
) -> Result<HttpResponse, ApiError> {
    let state = waited.map_or(DeliveryState::Queued, |message| message.state);
    // A delivered message may have a failure, too, which does not explain its state.
    let failed = waited.filter(|message| message.state == DeliveryState::Failed);
    let mut warnings = stored.warnings.clone();
    if !matches!(state, DeliveryState::Queued | DeliveryState::Sending) {
        let attempts = services.store.list_attempts(stored.id).await?;
        warnings.extend(attempts.iter().filter_map(Attempt::warning));
    }
    let body = StoredMessageResponse {
        id: stored.id.uuid(),
        state: state.as_str(),
        account: account.to_owned(),
        created_at: wire::time(stored.created_at),
        failure: failed.and_then(|message| FailureResponse::of(message, visibility)),
        warnings: warnings.into_iter().map(Into::into).collect(),
    };
    let submitted = !matches!(
        state,
        DeliveryState::Queued
            | DeliveryState::Sending
            | DeliveryState::Uncertain
            | DeliveryState::Failed
            | DeliveryState::Cancelled
    );
    let mut response = HttpResponse::build(if submitted {
        StatusCode::CREATED
    } else {
        StatusCode::ACCEPTED
    });
    response.insert_header(("Location", format!("/api/v1/messages/{}", stored.id)));
    if stored.repeat == RequestRepeat::Repeated {
        response.insert_header(("Idempotency-Replayed", "true"));
    }
    Ok(response.json(body))
}

fn idempotency_key(request: &HttpRequest) -> Result<Option<String>, ApiError> {
    let Some(value) = request.headers().get("idempotency-key") else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    let length = text.chars().count();
    if (1..=KEY_LIMIT).contains(&length) {
        Ok(Some(text.to_owned()))
    } else {
        Err(ApiError::field(
            "Idempotency-Key",
            format!("has {length} characters; use 1 to {KEY_LIMIT} of ASCII"),
        ))
    }
}

/// N of `Prefer: wait=N`. Other preferences are ignored.
fn preferred_wait(request: &HttpRequest) -> Result<Option<Duration>, ApiError> {
    let preferences = request
        .headers()
        .get_all("prefer")
        .filter_map(|value| value.to_str().ok());
    let wait = preferences
        .flat_map(|value| value.split([',', ';']))
        .find_map(|preference| preference.trim().strip_prefix("wait="));
    let Some(wait) = wait else { return Ok(None) };
    match wait.trim().parse::<u64>() {
        Ok(seconds) if Duration::from_secs(seconds) <= WAIT_LIMIT => {
            Ok(Some(Duration::from_secs(seconds)))
        }
        _ => Err(ApiError::field(
            "Prefer",
            format!("wait takes whole seconds, at most {}", WAIT_LIMIT.as_secs()),
        )),
    }
}

/// The message when it left the queue or the wait ended; `None` at once without a wait, or if it is not
/// stored.
async fn wait_for_outcome(
    services: &Services,
    id: MessageId,
    wait: Option<Duration>,
    mut changes: Receiver<FeedChange>,
) -> Result<Option<Box<Message>>, ApiError> {
    let Some(wait) = wait else {
        return Ok(None);
    };
    let end = Instant::now() + wait;
    loop {
        let Some(FoundMessage::Message(message)) = services.store.find_message(id).await? else {
            return Ok(None);
        };
        let in_queue = matches!(
            message.state,
            DeliveryState::Queued | DeliveryState::Sending
        ) && message.origin != Origin::DryRun;
        if !in_queue || Instant::now() >= end || services.stopping.is_cancelled() {
            return Ok(Some(message));
        }
        let step = end.min(Instant::now() + WAIT_STEP);
        // The next read follows a change, a lagging feed, the end of the step or a shutdown.
        let next_change = async {
            while changes
                .recv()
                .await
                .is_ok_and(|change| change.message != id)
            {}
        };
        tokio::select! {
            _ = timeout_at(step, next_change) => {}
            () = services.stopping.cancelled() => {}
        }
    }
}
