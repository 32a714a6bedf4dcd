//! Closes the connection after a response that was sent before the end of a chunked body.
//!
//! actix does so itself for a body with a length. It would read a chunked body whose reader was
//! dropped for as long as the client sends, so the response keeps the reader until it is written.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, HttpMessage};
use futures_util::Stream;

/// The rest of a request's body; `None` after its end.
type Rest = Rc<RefCell<Option<Payload>>>;

/// Middleware.
pub(crate) async fn close(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if !request.chunked().unwrap_or(false) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let rest = Rest::new(RefCell::new(Some(request.take_payload())));
    request.set_payload(Payload::Stream {
        payload: Box::pin(BodyReader(rest.clone())),
    });
    let response = next.call(request).await?.map_into_boxed_body();
    if rest.borrow().is_none() {
        return Ok(response);
    }
    Ok(response.map_body(|_, body| BoxBody::new(ResponseBody { body, _rest: rest })))
}

/// For the handler.
struct BodyReader(Rest);

impl Stream for BodyReader {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut rest = self.0.borrow_mut();
        let Some(payload) = rest.as_mut() else {
            return Poll::Ready(None);
        };
        let read = Pin::new(payload).poll_next(context);
        if matches!(read, Poll::Ready(None)) {
            *rest = None;
        }
        read
    }
}

/// The body of the response, with the rest of the request's.
struct ResponseBody {
    body: BoxBody,
    _rest: Rest,
}

impl MessageBody for ResponseBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.body.as_pin_mut().poll_next(context)
    }
}
