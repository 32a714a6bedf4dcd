//! An id for each request: in the response's `X-Request-Id`, in its log lines and in problems.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use tracing::Instrument;
use uuid::Uuid;

static HEADER: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static CURRENT: Uuid;
}

/// The id of the request that is being handled; a new one elsewhere.
pub(super) fn current() -> Uuid {
    CURRENT.try_with(|id| *id).unwrap_or_else(|_| generate())
}

/// Outermost middleware. An id that the caller sends is not used: it could equal another request's id
/// and mix up their log lines.
pub(super) async fn assign<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let id = generate();
    let span = tracing::info_span!("request", request.id = %id);
    let handled = CURRENT.scope(id, next.call(request)).instrument(span);
    let mut response = handled.await?;
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(HEADER.clone(), value);
    }
    Ok(response)
}

fn generate() -> Uuid {
    Uuid::from_bytes(rand::random())
}
