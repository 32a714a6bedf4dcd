//! Limits the time for the body of every request, and closes the connection after a response that was
//! sent before the end of the body.
//!
//! actix itself closes the connection if the body has a length. But if the reader of a chunked body is
//! dropped, actix reads the body for as long as the client sends, so the response keeps the reader
//! until it is written.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, HttpMessage, ResponseError, web};
use futures_util::Stream;

use crate::web::connection_table::ConnectionHandle;
use crate::web::error::ApiError;
use crate::web::guarded_body::keep_until_written;
use crate::web::timed_body::TimedBody;
use crate::web::tracked_connection::Activity;

/// How long a client may take for a body; shared as `web::Data`.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyTime(pub(super) Duration);

/// The rest of a request's body; `None` after its end.
type Rest = Rc<RefCell<Option<TimedBody>>>;

/// Middleware.
pub(super) async fn limit(
    time: web::Data<BodyTime>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let payload = request.take_payload();
    if matches!(payload, Payload::None) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let handle = request.conn_data::<ConnectionHandle>().cloned();
    if let Some(handle) = &handle {
        handle.connection.begin(Activity::Body);
    }
    let body = TimedBody::new(payload, handle, time.0);
    let outcome = body.outcome();
    let rest = Rest::new(RefCell::new(Some(body)));
    let is_chunked = request.chunked().unwrap_or(false);
    // Without a reference to the rest, dropping the reader drops the body.
    let kept = is_chunked.then(|| rest.clone());
    request.set_payload(Payload::Stream {
        payload: Box::pin(BodyReader(rest)),
    });
    let mut response = next.call(request).await?.map_into_boxed_body();
    if outcome.was_too_slow() && response.status() != StatusCode::REQUEST_TIMEOUT {
        response = response.into_response(ApiError::TooSlow.error_response());
    }
    match kept.filter(|rest| rest.borrow().is_some()) {
        Some(rest) => Ok(response.map_body(|_, body| keep_until_written(body, rest))),
        None => Ok(response),
    }
}

/// The body as the handler reads it.
struct BodyReader(Rest);

impl Stream for BodyReader {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut rest = self.0.borrow_mut();
        let Some(body) = rest.as_mut() else {
            return Poll::Ready(None);
        };
        let read = Pin::new(body).poll_next(context);
        if matches!(read, Poll::Ready(None)) {
            *rest = None;
        }
        read
    }
}
