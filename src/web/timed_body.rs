//! A request body that ends with an error when its client is too slow: there is a time limit for the
//! whole body, and a minimum number of bytes per interval.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::web::connection_table::ConnectionHandle;
use crate::web::tracked_connection::Activity;

/// In each interval at least [`MIN_INTERVAL_BYTES`] must arrive.
const INTERVAL: Duration = Duration::from_secs(10);
const MIN_INTERVAL_BYTES: u64 = 10 * 1024;
/// The time limit of a body is extended by a second whenever this many bytes were received.
const BYTES_PER_EXTRA_SECOND: u64 = 64 * 1024;

pub(super) struct TimedBody {
    payload: Payload,
    connection: Option<ConnectionHandle>,
    /// For the whole body, extended by a second per [`BYTES_PER_EXTRA_SECOND`] received.
    base_limit: Duration,
    started: Instant,
    received: u64,
    interval_started: Instant,
    interval_received: u64,
    /// Created when the body is first waited for.
    timer: Option<Pin<Box<Sleep>>>,
    outcome: BodyOutcome,
}

/// Whether the client of a body was too slow; shared with the handler.
#[derive(Clone, Default)]
pub(super) struct BodyOutcome(Rc<Cell<bool>>);

impl BodyOutcome {
    pub(super) fn was_too_slow(&self) -> bool {
        self.0.get()
    }
}

impl TimedBody {
    pub(super) fn new(
        payload: Payload,
        connection: Option<ConnectionHandle>,
        base_limit: Duration,
    ) -> Self {
        let now = Instant::now();
        Self {
            payload,
            connection,
            base_limit,
            started: now,
            received: 0,
            interval_started: now,
            interval_received: 0,
            timer: None,
            outcome: BodyOutcome::default(),
        }
    }

    pub(super) fn outcome(&self) -> BodyOutcome {
        self.outcome.clone()
    }

    /// When the body has taken too long, unless more of it arrives before.
    fn deadline(&self) -> Instant {
        let extra = Duration::from_secs(self.received / BYTES_PER_EXTRA_SECOND);
        self.started + self.base_limit + extra
    }

    /// Completes when the client was too slow. Begins the next interval when one has ended in time.
    fn poll_deadline(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.timer.is_none() {
            // Until now the handler did not read.
            self.interval_started = Instant::now();
        }
        loop {
            let until = self.deadline().min(self.interval_started + INTERVAL);
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(sleep_until(until)));
            if timer.deadline() != until {
                timer.as_mut().reset(until);
            }
            ready!(timer.as_mut().poll(context));
            if self.deadline() <= until || self.interval_received < MIN_INTERVAL_BYTES {
                return Poll::Ready(());
            }
            self.interval_started = until;
            self.interval_received = 0;
        }
    }

    fn fail_as_too_slow(&self) -> PayloadError {
        self.outcome.0.set(true);
        PayloadError::Io(io::ErrorKind::TimedOut.into())
    }
}

impl Stream for TimedBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let body = &mut *self;
        match Pin::new(&mut body.payload).poll_next(context) {
            Poll::Ready(Some(Ok(chunk))) => {
                let bytes = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
                body.received += bytes;
                body.interval_received += bytes;
                Poll::Ready(Some(Ok(chunk)))
            }
            Poll::Ready(Some(Err(error))) => {
                let ended = body.connection.as_ref();
                let ended = ended.is_some_and(|handle| handle.connection.has_ended());
                Poll::Ready(Some(Err(if ended {
                    body.fail_as_too_slow()
                } else {
                    error
                })))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                ready!(body.poll_deadline(context));
                Poll::Ready(Some(Err(body.fail_as_too_slow())))
            }
        }
    }
}

impl Drop for TimedBody {
    fn drop(&mut self) {
        // A body that was not read may be dropped after the response, when the connection is idle.
        if let Some(handle) = &self.connection
            && handle.connection.activity() == Activity::Body
        {
            handle.connection.begin(Activity::Response);
        }
    }
}
