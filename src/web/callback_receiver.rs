//! `/callbacks/{account}/{token}` and `/reports/{token}`, which providers call. A callback is
//! answered with 200 only after it is durable; probes and subscription handshakes store nothing.
//!
//! Rejections are constant, so that they reveal nothing about accounts, tokens or secrets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::db::Error;
use crate::domain::callback_record::Route;
use crate::domain::clock::Clock;
use crate::domain::ids::AccountId;
use crate::domain::secret::Secret;
use crate::keys::{Keys, UrlAge};
use crate::providers::authenticity;
use crate::receiving::ingest::{Ingest, IngestOutcome, RawRequest};
use crate::receiving::ingest_counters::count;
use crate::receiving::known_accounts::{KnownAccount, KnownAccounts};
use crate::receiving::rejections::{RejectedUrl, Rejection, RejectionCause};
use crate::web::callback_body::{BodyError, read_body};
use crate::web::client_address::client_address;
use crate::web::connection_table::ConnectionHandle;
use crate::web::error::PROVIDER_RETRY_SECONDS;
use crate::web::pasted_url::{find_mistake, trim_last_part, trim_part};
use crate::web::tracked_connection::Purpose;

/// How long a client may take to send the body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// What the handlers need; shared as `web::Data`.
pub struct CallbackState {
    pub ingest: Arc<Ingest>,
    /// Verifies the tokens in URLs.
    pub keys: Arc<Keys>,
    pub accounts: Arc<KnownAccounts>,
    pub clock: Arc<dyn Clock>,
    /// [`BODY_TIMEOUT`] except in tests.
    pub body_timeout: Duration,
}

/// The variable parts of `/callbacks/{account}/{token}`, decoded.
#[derive(Deserialize)]
pub(crate) struct CallbackUrlParts {
    account: String,
    token: String,
}

/// The variable part of `/reports/{token}`, decoded.
#[derive(Deserialize)]
pub(crate) struct ReportUrlParts {
    token: String,
}

pub(crate) async fn receive_callback(
    state: web::Data<CallbackState>,
    path: web::Path<CallbackUrlParts>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let mistake = find_mistake(&request, [&path.account, &path.token]);
    let token = trim_last_part(&request, &path.token).to_owned();
    let counters = state.ingest.counters();
    let Some((account, known, age)) = verify_callback(&state, trim_part(&path.account), &token)
    else {
        count(&counters.rejected);
        set_purpose(&request, Purpose::Other);
        let account = find_account(&state, trim_part(&path.account));
        let cause = match account {
            Some(_) => RejectionCause::WrongToken,
            None => RejectionCause::UnknownAccount,
        };
        let url = RejectedUrl::Callback;
        record_rejection(&state, &request, cause, url, account);
        return count_response(&state, None, answer(StatusCode::NOT_FOUND, "not found"));
    };
    set_purpose(&request, Purpose::Callback);
    // Before signatures are checked, because a handshake has none.
    if request.method() == Method::GET && authenticity::is_handshake(request.query_string()) {
        let answer = answer_handshake(&state, known, request.query_string());
        if !answer.status().is_success() {
            let (cause, url) = (RejectionCause::WrongVerifyToken, RejectedUrl::Callback);
            record_rejection(&state, &request, cause, url, Some(account.clone()));
        }
        return count_response(&state, Some(&account), answer);
    }
    let address = CallbackAddress {
        account: account.clone(),
        route: match (age, mistake) {
            (UrlAge::Old, _) => Route::OldCallback,
            (UrlAge::Current, Some(mistake)) => Route::MistypedCallback(mistake),
            (UrlAge::Current, None) => Route::Callback,
        },
        token: Secret::new(token),
    };
    let answer = receive(&state, address, Some(known), &request, payload).await;
    count_response(&state, Some(&account), answer)
}

pub(crate) async fn receive_report(
    state: web::Data<CallbackState>,
    path: web::Path<ReportUrlParts>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let token = trim_last_part(&request, &path.token).to_owned();
    let Some((account, message)) = state.keys.verify_report_token(&token) else {
        count(&state.ingest.counters().rejected);
        set_purpose(&request, Purpose::Other);
        let (cause, url) = (RejectionCause::WrongReportToken, RejectedUrl::Report);
        record_rejection(&state, &request, cause, url, None);
        let answer = answer(StatusCode::UNAUTHORIZED, "unauthorized");
        return count_response(&state, None, answer);
    };
    set_purpose(&request, Purpose::Callback);
    let address = CallbackAddress {
        account: account.clone(),
        route: Route::Report(message),
        token: Secret::new(token),
    };
    let known = state.accounts.find(&account);
    let answer = receive(&state, address, known, &request, payload).await;
    count_response(&state, Some(&account), answer)
}

/// Informs the connection table, which reserves connections for callbacks.
fn set_purpose(request: &HttpRequest, purpose: Purpose) {
    if let Some(handle) = request.conn_data::<ConnectionHandle>() {
        handle.set_purpose(purpose);
    }
}

fn count_response(
    state: &CallbackState,
    account: Option<&AccountId>,
    answer: HttpResponse,
) -> HttpResponse {
    let status = answer.status().as_u16();
    state.ingest.responses().count(account, status);
    answer
}

/// A path whose token was verified.
struct CallbackAddress {
    account: AccountId,
    route: Route,
    token: Secret,
}

fn find_account(state: &CallbackState, account: &str) -> Option<AccountId> {
    let account = account.parse().ok()?;
    state.accounts.find(&account).map(|_| account)
}

/// Adds the request to the list of rejections that operators see.
fn record_rejection(
    state: &CallbackState,
    request: &HttpRequest,
    cause: RejectionCause,
    url: RejectedUrl,
    account: Option<AccountId>,
) {
    state.ingest.rejections().record(Rejection {
        at: state.clock.now(),
        cause,
        remote: remote(request),
        url,
        account,
    });
}

fn remote(request: &HttpRequest) -> Option<String> {
    client_address(request).map(|address| address.to_string())
}

/// `None` for an unknown account and for a wrong token, so that the response cannot differ.
fn verify_callback<'s>(
    state: &'s CallbackState,
    account: &str,
    token: &str,
) -> Option<(AccountId, &'s KnownAccount, UrlAge)> {
    let account: AccountId = account.parse().ok()?;
    let known = state.accounts.find(&account)?;
    let url =
        state
            .keys
            .verify_callback_token(&account, known.generation, &known.retired, token)?;
    Some((account, known, url.age))
}

fn answer_handshake(state: &CallbackState, known: &KnownAccount, query: &str) -> HttpResponse {
    let counters = state.ingest.counters();
    let verify_token = known.callback_auth.verify_token.as_ref();
    let Some(challenge) = authenticity::verify_challenge(query, verify_token) else {
        count(&counters.rejected);
        return answer(StatusCode::FORBIDDEN, "forbidden");
    };
    count(&counters.handshakes);
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(challenge)
}

async fn receive(
    state: &CallbackState,
    address: CallbackAddress,
    known: Option<&KnownAccount>,
    request: &HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let counters = state.ingest.counters();
    let url = match address.route {
        Route::Report(_) => RejectedUrl::Report,
        Route::Callback | Route::OldCallback | Route::MistypedCallback(_) => RejectedUrl::Callback,
    };
    let account = known.map(|_| address.account.clone());
    let record_rejected = |cause| record_rejection(state, request, cause, url, account.clone());
    let reading = read_body(&state.ingest, &address.account, request, payload);
    // Both permits for memory are held until the response.
    let (body, permit, _account_permit) =
        match tokio::time::timeout(state.body_timeout, reading).await {
            Ok(Ok(read)) => read,
            Ok(Err(BodyError::TooLarge)) => {
                count(&counters.too_large);
                record_rejected(RejectionCause::TooLarge);
                return answer(StatusCode::PAYLOAD_TOO_LARGE, "too large");
            }
            Ok(Err(BodyError::Incomplete)) => {
                count(&counters.incomplete);
                record_rejected(RejectionCause::Incomplete);
                return answer(StatusCode::BAD_REQUEST, "bad request");
            }
            Ok(Err(BodyError::Stopping | BodyError::NoMemory)) => {
                count(&counters.failed);
                return unavailable();
            }
            Ok(Err(BodyError::TooSlow)) | Err(_) => {
                count(&counters.incomplete);
                record_rejected(RejectionCause::TooSlow);
                return answer(StatusCode::REQUEST_TIMEOUT, "too slow");
            }
        };
    if is_probe(request, &body) {
        count(&counters.probes);
        return answer(StatusCode::OK, "ok");
    }
    let raw = RawRequest {
        account: address.account.clone(),
        route: address.route,
        token: address.token,
        method: request.method().to_string(),
        query: request.query_string().to_owned(),
        headers: headers(request),
        remote: remote(request),
        body,
    };
    let started = Instant::now();
    let received = state
        .ingest
        .receive(raw, known, permit, state.clock.now())
        .await;
    state.ingest.responses().observe_duration(started.elapsed());
    match received {
        Ok(IngestOutcome::Stored(_)) => answer(StatusCode::OK, "ok"),
        Ok(IngestOutcome::Unverified(_)) => {
            record_rejected(RejectionCause::Unverified);
            answer(StatusCode::UNAUTHORIZED, "unauthorized")
        }
        Ok(IngestOutcome::OverUnverifiedLimit) => {
            record_rejected(RejectionCause::OverUnverifiedLimit);
            answer(StatusCode::UNAUTHORIZED, "unauthorized")
        }
        Ok(IngestOutcome::OverHourlyLimit) => {
            record_rejected(RejectionCause::OverHourlyLimit);
            too_many(state.clock.now())
        }
        // Logged by the journal writer, once for all concurrent requests.
        Err(Error::NotDurable { .. }) => unavailable(),
        Err(error) => {
            tracing::error!(account.id = %address.account, %error, "a callback could not be made durable");
            unavailable()
        }
    }
}

/// Whether the request only tests if the URL responds; it has nothing to store.
fn is_probe(request: &HttpRequest, body: &[u8]) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
        && request.query_string().is_empty()
        && body.is_empty()
}

/// Sorted by name; headers of one name keep their order.
fn headers(request: &HttpRequest) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), header_text(value.as_bytes())))
        .collect();
    headers.sort_by(|one, other| one.0.cmp(&other.0));
    headers
}

/// Latin-1 if the value is not UTF-8.
fn header_text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

/// `Retry-After` is the end of the hour.
fn too_many(now: DateTime<Utc>) -> HttpResponse {
    let mut response = answer(StatusCode::TOO_MANY_REQUESTS, "too many");
    let wait = 3600 - now.timestamp().rem_euclid(3600);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, wait.into());
    response
}

fn unavailable() -> HttpResponse {
    let mut response = answer(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, PROVIDER_RETRY_SECONDS.into());
    response
}

fn answer(status: StatusCode, text: &'static str) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("text/plain; charset=utf-8")
        .body(text)
}
