//! The body of a request, which ends with an error when its client is too slow: it may take a time
//! in all, and each stretch of it must bring a minimum of bytes.

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

/// Each stretch of this length must bring [`STRETCH_BYTES`].
const STRETCH: Duration = Duration::from_secs(10);
const STRETCH_BYTES: u64 = 10 * 1024;
/// Large uploads may take longer than a body's time, by a second for so many bytes.
const BYTES_PER_EXTRA_SECOND: u64 = 64 * 1024;

pub(super) struct TimedBody {
    payload: Payload,
    connection: Option<ConnectionHandle>,
    /// For the whole body, but for large ones.
    time: Duration,
    started: Instant,
    received: u64,
    stretch_started: Instant,
    stretch_received: u64,
    /// Exists once the body had to be waited for.
    timer: Option<Pin<Box<Sleep>>>,
    outcome: BodyOutcome,
}

/// Whether the client of a body was too slow; shared with who answers it.
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
        time: Duration,
    ) -> Self {
        let now = Instant::now();
        Self {
            payload,
            connection,
            time,
            started: now,
            received: 0,
            stretch_started: now,
            stretch_received: 0,
            timer: None,
            outcome: BodyOutcome::default(),
        }
    }

    pub(super) fn outcome(&self) -> BodyOutcome {
        self.outcome.clone()
    }

    /// When the body has taken too long, unless more of it arrives.
    fn deadline(&self) -> Instant {
        let extra = Duration::from_secs(self.received / BYTES_PER_EXTRA_SECOND);
        self.started + self.time + extra
    }

    /// Completes when the client was too slow.
    fn poll_too_slow(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.timer.is_none() {
            // Until now the handler did not read.
            self.stretch_started = Instant::now();
        }
        loop {
            let until = self.deadline().min(self.stretch_started + STRETCH);
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(sleep_until(until)));
            if timer.deadline() != until {
                timer.as_mut().reset(until);
            }
            ready!(timer.as_mut().poll(context));
            if self.deadline() <= until || self.stretch_received < STRETCH_BYTES {
                return Poll::Ready(());
            }
            self.stretch_started = until;
            self.stretch_received = 0;
        }
    }

    fn too_slow(&self) -> PayloadError {
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
                body.stretch_received += bytes;
                Poll::Ready(Some(Ok(chunk)))
            }
            Poll::Ready(Some(Err(error))) => {
                let ended = body.connection.as_ref();
                let ended = ended.is_some_and(|handle| handle.connection.has_ended());
                Poll::Ready(Some(Err(if ended { body.too_slow() } else { error })))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                ready!(body.poll_too_slow(context));
                Poll::Ready(Some(Err(body.too_slow())))
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
