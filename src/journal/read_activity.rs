//! Whether a reader of this process is working on new entries.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A reader that has more entries to read returns earlier.
const RECENT: Duration = Duration::from_millis(500);

/// Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadActivity(Arc<Mutex<Option<Instant>>>);

impl ReadActivity {
    /// Call after entries were read.
    pub(super) fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(super) fn is_recent(&self) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|at| at.elapsed() < RECENT)
    }
}
