//! A response body that owns a value until it is written.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;

/// `guard` is dropped once the body is written or the connection is lost.
pub(super) fn keep_until_written(body: BoxBody, guard: impl Unpin + 'static) -> BoxBody {
    BoxBody::new(GuardedBody {
        body,
        _guard: guard,
    })
}

struct GuardedBody<T> {
    body: BoxBody,
    _guard: T,
}

impl<T: Unpin> MessageBody for GuardedBody<T> {
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
