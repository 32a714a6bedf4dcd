//! HTTP server of the simulator: four APIs under their real paths on one socket, forced replies,
//! and connections that are closed without a reply.

use std::net::{Shutdown, TcpListener};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Route, web};
use futures_util::{StreamExt as _, stream};
use serde_json::json;

use crate::domain::provider::ProviderId;
use crate::simulator::callback_queue::QueuedCallback;
use crate::simulator::exchange::{
    ForcedOutcome, ForcedReply, ForcedResponse, MultipartForm, ReceivedRequest, UploadedFile,
};
use crate::simulator::oracle::ReplyResult;
use crate::simulator::state::SimulatorState;

/// Larger than every documented limit, so that the documented limits apply.
const BODY_LIMIT: usize = 32 * 1024 * 1024;
/// Maximum time for which a callback sent before the reply delays the reply.
const BEFORE_REPLY: Duration = Duration::from_secs(2);

pub(crate) fn build(
    listener: TcpListener,
    state: Arc<SimulatorState>,
    runtime: tokio::runtime::Handle,
) -> std::io::Result<Server> {
    let state = web::Data::from(state);
    let runtime = web::Data::new(runtime);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .app_data(runtime.clone())
            .app_data(web::PayloadConfig::new(BODY_LIMIT))
            .route("/message/", send_route(ProviderId::Sobot))
            .route(
                "/v2/{sid}/whatsapp/{phone}/messages",
                send_route(ProviderId::Kaleyra),
            )
            .route(
                "/api/v1/campaign/whatsapp/message/send",
                send_route(ProviderId::Zixflow),
            )
            .route(
                "/api/v1/campaign/whatsapp/send",
                send_route(ProviderId::Zixflow),
            )
            .route(
                "/api/v3/workspaces/{workspace}/contacts/number/{number}/messages/{kind}",
                send_route(ProviderId::LancePilot),
            )
            .route(
                "/api/v3/workspaces/{workspace}/contacts/number/{number}/template-messages",
                send_route(ProviderId::LancePilot),
            )
            .default_service(web::to(not_found))
    })
    .workers(2)
    .disable_signals()
    .shutdown_timeout(5)
    .on_connect(|connection, data| {
        if let Some(stream) = connection.downcast_ref::<actix_web::rt::net::TcpStream>()
            && let Ok(descriptor) = stream.as_fd().try_clone_to_owned()
        {
            data.insert(ClientConnection(std::net::TcpStream::from(descriptor)));
        }
    })
    .listen(listener)?;
    Ok(server.run())
}

/// A request's connection, which a forced reply can close.
struct ClientConnection(std::net::TcpStream);

type StateData = web::Data<SimulatorState>;
type Runtime = web::Data<tokio::runtime::Handle>;

/// A send API of a provider.
fn send_route(provider: ProviderId) -> Route {
    web::post().to(
        move |http: HttpRequest, body: web::Bytes, state: StateData, runtime: Runtime| async move {
            exchange(provider, &http, body, &state, &runtime).await
        },
    )
}

async fn not_found() -> HttpResponse {
    HttpResponse::NotFound().json(json!({ "message": "Resource not found.", "status": 404 }))
}

async fn exchange(
    provider: ProviderId,
    http: &HttpRequest,
    body: web::Bytes,
    state: &SimulatorState,
    runtime: &tokio::runtime::Handle,
) -> HttpResponse {
    let request = read_request(provider, http, &body);
    state.record_request(&request);
    let forced = state
        .claim_forced(provider)
        .filter(|reply| reply.response != ForcedResponse::Documented);
    if let Some(reply) = &forced
        && reply.outcome == ForcedOutcome::Lost
    {
        return send_forced(reply, http, state).await;
    }
    if state.queue.is_full() {
        return HttpResponse::ServiceUnavailable()
            .insert_header((RETRY_AFTER, "1"))
            .json(json!({ "message": "Too many callbacks are waiting.", "status": 503 }));
    }
    let form = read_form(http, body).await;
    let documented = state.reply_to(&request, form.as_ref());
    if let Some(message) = &documented.accepted {
        let result = match forced {
            Some(_) => ReplyResult::Other,
            None => ReplyResult::Accepted,
        };
        post_before_reply(state.queue_callbacks(message, result), state, runtime).await;
    }
    match forced {
        Some(reply) => send_forced(&reply, http, state).await,
        None => HttpResponse::build(status(documented.status)).json(documented.body),
    }
}

/// Posts on the simulator's own runtime: the client's connections must outlive this worker.
async fn post_before_reply(
    posts: Vec<QueuedCallback>,
    state: &SimulatorState,
    runtime: &tokio::runtime::Handle,
) {
    for post in posts {
        let queue = Arc::clone(&state.queue);
        let task = runtime.spawn(async move { queue.post_now(post).await });
        // A slow receiver does not delay the reply further; the task continues.
        let _ = tokio::time::timeout(BEFORE_REPLY, task).await;
    }
}

async fn send_forced(
    reply: &ForcedReply,
    http: &HttpRequest,
    state: &SimulatorState,
) -> HttpResponse {
    match &reply.response {
        ForcedResponse::Reply {
            status: code,
            headers,
            body,
        } => {
            let mut response = HttpResponse::build(status(*code));
            for (name, value) in headers {
                response.append_header((name.as_str(), value.as_str()));
            }
            response.body(body.clone())
        }
        ForcedResponse::Silence(duration) => {
            tokio::select! {
                () = tokio::time::sleep(*duration) => {}
                () = state.stopping.cancelled() => {}
            }
            close_connection(http)
        }
        ForcedResponse::HangUp | ForcedResponse::Documented => close_connection(http),
    }
}

/// Closes the connection; the returned response is not sent.
fn close_connection(http: &HttpRequest) -> HttpResponse {
    if let Some(ClientConnection(stream)) = http.conn_data::<ClientConnection>() {
        // Fails only if the caller has closed it already.
        let _ = stream.shutdown(Shutdown::Both);
    }
    HttpResponse::build(StatusCode::INTERNAL_SERVER_ERROR)
        .force_close()
        .finish()
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn read_request(provider: ProviderId, http: &HttpRequest, body: &web::Bytes) -> ReceivedRequest {
    ReceivedRequest {
        provider,
        method: http.method().as_str().to_owned(),
        path: http.uri().path().to_owned(),
        query: http.query_string().to_owned(),
        headers: http
            .headers()
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect(),
        body: body.to_vec(),
    }
}

/// `None` if the body is not a multipart form. A malformed form has no file.
async fn read_form(http: &HttpRequest, body: web::Bytes) -> Option<MultipartForm> {
    let is_form = http
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"multipart/form-data"));
    if !is_form {
        return None;
    }
    let mut parts = actix_multipart::Multipart::new(http.headers(), stream::iter([Ok(body)]));
    let mut form = MultipartForm::default();
    while let Some(Ok(mut part)) = parts.next().await {
        let name = part.name().unwrap_or_default().to_owned();
        let file_name = part
            .content_disposition()
            .and_then(|disposition| disposition.get_filename())
            .map(str::to_owned);
        let mime_type = part.content_type().map(ToString::to_string);
        let mut bytes = Vec::new();
        while let Some(Ok(chunk)) = part.next().await {
            bytes.extend_from_slice(&chunk);
        }
        match file_name {
            Some(file_name) if name == "file" => {
                form.file = Some(UploadedFile {
                    name: file_name,
                    mime_type: mime_type.unwrap_or_default(),
                    size: bytes.len(),
                });
            }
            _ => form
                .fields
                .push((name, String::from_utf8_lossy(&bytes).into_owned())),
        }
    }
    Some(form)
}
