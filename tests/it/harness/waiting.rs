//! Waits for another process. A test that asks without pauses would take its processor.

use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(5);
/// Only a standstill takes so long, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(3);

/// Between two questions.
pub(crate) async fn pause() {
    tokio::time::sleep(PAUSE).await;
}

/// Between two questions of a thread without a runtime.
pub(crate) fn pause_thread() {
    std::thread::sleep(PAUSE);
}

/// Waits until this holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        pause().await;
    }
}
