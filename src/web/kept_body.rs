//! A response body that keeps something until it is written.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;

/// `kept` is dropped when the body was written, or cannot be.
pub(super) fn keep_until_written(body: BoxBody, kept: impl Unpin + 'static) -> BoxBody {
    BoxBody::new(KeptBody { body, _kept: kept })
}

struct KeptBody<T> {
    body: BoxBody,
    _kept: T,
}

impl<T: Unpin> MessageBody for KeptBody<T> {
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
