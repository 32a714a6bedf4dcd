//! The open streams of live changes: limits their number, and ends the streams of a session that
//! ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::domain::scope::CallerKind;

/// Live streams of one process.
const PROCESS_LIMIT: usize = 100;
/// Live streams of one token or session.
const CALLER_LIMIT: usize = 5;

/// Shared as `web::Data`.
#[derive(Clone, Debug, Default)]
pub struct LiveStreams(Arc<Mutex<OpenStreams>>);

#[derive(Debug, Default)]
struct OpenStreams {
    total: usize,
    by_caller: HashMap<CallerKind, CallerStreams>,
}

#[derive(Debug, Default)]
struct CallerStreams {
    open: usize,
    ended: CancellationToken,
}

/// One open stream; leaves the list when it is dropped.
pub(super) struct LiveStream {
    streams: LiveStreams,
    caller: CallerKind,
    /// Cancelled when the caller's session ends.
    pub(super) ended: CancellationToken,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum TooManyStreams {
    #[error("a token or session may have {CALLER_LIMIT} live streams; close one first")]
    OfCaller,
    #[error("{PROCESS_LIMIT} live streams are open, which is all there can be; try again")]
    OfProcess,
}

impl LiveStreams {
    pub(super) fn open(&self, caller: &CallerKind) -> Result<LiveStream, TooManyStreams> {
        let mut streams = self.lock();
        let of_caller = streams.by_caller.get(caller).map_or(0, |own| own.open);
        if of_caller >= CALLER_LIMIT {
            return Err(TooManyStreams::OfCaller);
        }
        if streams.total >= PROCESS_LIMIT {
            return Err(TooManyStreams::OfProcess);
        }
        streams.total += 1;
        let own = streams.by_caller.entry(caller.clone()).or_default();
        own.open += 1;
        Ok(LiveStream {
            streams: self.clone(),
            caller: caller.clone(),
            ended: own.ended.clone(),
        })
    }

    pub(super) fn end_all_of(&self, caller: &CallerKind) {
        if let Some(own) = self.lock().by_caller.get_mut(caller) {
            // Without effect on later streams of the same caller.
            std::mem::take(&mut own.ended).cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, OpenStreams> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LiveStream {
    fn drop(&mut self) {
        let mut streams = self.streams.lock();
        streams.total -= 1;
        if let Some(own) = streams.by_caller.get_mut(&self.caller) {
            own.open -= 1;
            if own.open == 0 {
                streams.by_caller.remove(&self.caller);
            }
        }
    }
}
