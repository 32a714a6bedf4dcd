//! Limits how many submissions of an account this process makes at a time: few at first and after a
//! failure, more with each acceptance. Also limits how many messages are claimed ahead of their
//! calls.
//!
//! A claimed message has a [`CallReservation`] until its call begins, then an [`InFlightPermit`]
//! until its outcome is recorded. An acceptance lets the next call begin as soon as it arrives; any
//! other reply only when it is recorded, because it may stop the account.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio::time::{Instant, timeout_at};

use crate::domain::circuit_breaker::SubmissionPurpose;
use crate::domain::ids::AccountId;
use crate::domain::provider_account::Account;
use crate::sending::submission_window::{CallTiming, SLOW_START, WindowState};

/// How far ahead messages are claimed for their slots: longer than a transaction takes while the
/// disk is busy, because a slot that passes meanwhile is lost. If the process dies, claimed messages
/// become uncertain unless it is proved that their calls had not begun.
pub const LOOKAHEAD: TimeDelta = TimeDelta::milliseconds(500);
/// A message that waits longer for a permit returns to the queue. Far less than a claim lasts.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// Concurrent submissions of this process, by account.
#[derive(Debug, Default)]
pub struct InFlight(Mutex<HashMap<AccountId, Arc<SubmissionWindow>>>);

#[derive(Debug, Default)]
struct SubmissionWindow {
    state: Mutex<WindowState>,
    /// Calls begin one after the other, in the order of their slots.
    turn: AsyncMutex<()>,
    /// Wakes the task that holds `turn`.
    changed: Notify,
}

/// Reserved for a message that is about to be claimed, until its call begins; released on drop.
#[derive(Debug)]
pub struct CallReservation {
    window: Arc<SubmissionWindow>,
    /// How often the account had stopped sending when this was reserved.
    stops: u64,
    purpose: SubmissionPurpose,
    timing: CallTiming,
}

/// Permission for one call; released on drop, when its outcome is recorded.
#[derive(Debug)]
pub struct InFlightPermit {
    window: Arc<SubmissionWindow>,
    began_at: Instant,
    stage: PermitStage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PermitStage {
    Call,
    Recording,
}

/// The call must not begin, because the account stopped sending or its earlier calls take too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallCancelled;

impl InFlight {
    /// Reserves calls for at most `wanted` messages that are about to be claimed. Call this before
    /// the state of the account is read.
    pub fn reserve(
        &self,
        account: &Account,
        wanted: usize,
        purpose: SubmissionPurpose,
        timing: CallTiming,
    ) -> Vec<CallReservation> {
        let window = self.window(&account.id);
        lock(&window.state).max_in_flight = account.max_in_flight;
        window.reserve(wanted, purpose, timing)
    }

    /// Allows one more concurrent submission. Call it after an acceptance.
    pub fn grow(&self, account: &AccountId) {
        let window = self.window(account);
        let mut state = lock(&window.state);
        state.limit = (state.limit + 1).min(state.max_in_flight.max(SLOW_START));
        drop(state);
        window.changed.notify_one();
    }

    /// Returns to the limit with which an account begins, after a failure that does not stop the account.
    pub fn shrink(&self, account: &AccountId) {
        let window = self.window(account);
        lock(&window.state).slow_down();
    }

    /// Call it after a failure that stops the account: no call of an already claimed message begins
    /// after this, except a probe.
    pub fn stop(&self, account: &AccountId) {
        self.window(account).stop();
    }

    /// [`InFlight::stop`] for every account.
    pub fn stop_all(&self) {
        for window in lock(&self.0).values() {
            window.stop();
        }
    }

    fn window(&self, account: &AccountId) -> Arc<SubmissionWindow> {
        let mut windows = lock(&self.0);
        if let Some(window) = windows.get(account) {
            return Arc::clone(window);
        }
        Arc::clone(windows.entry(account.clone()).or_default())
    }
}

impl SubmissionWindow {
    fn reserve(
        self: &Arc<Self>,
        wanted: usize,
        purpose: SubmissionPurpose,
        timing: CallTiming,
    ) -> Vec<CallReservation> {
        let mut state = lock(&self.state);
        let number = wanted.min(state.count_claimable(timing));
        state.waiting += number;
        let stops = state.stops;
        drop(state);
        let reservation = || CallReservation {
            window: Arc::clone(self),
            stops,
            purpose,
            timing,
        };
        std::iter::repeat_with(reservation).take(number).collect()
    }

    fn stop(&self) {
        let mut state = lock(&self.state);
        state.slow_down();
        state.stops += 1;
        drop(state);
        self.changed.notify_one();
    }
}

impl CallReservation {
    /// Waits for a permit, and until calls that were late no longer exceed the rate.
    pub async fn begin(self) -> Result<InFlightPermit, CallCancelled> {
        let window = &self.window;
        let deadline = Instant::now() + LONGEST_WAIT;
        let _turn = window.turn.lock().await;
        loop {
            let now = Instant::now();
            let wait_until = {
                let mut state = lock(&window.state);
                if state.stops != self.stops && self.purpose == SubmissionPurpose::Sending {
                    return Err(CallCancelled);
                }
                if now > deadline {
                    state.note_call(LONGEST_WAIT);
                    return Err(CallCancelled);
                }
                match state.begin(self.timing, now) {
                    Ok(()) => {
                        return Ok(InFlightPermit {
                            window: Arc::clone(window),
                            began_at: now,
                            stage: PermitStage::Call,
                        });
                    }
                    Err(at) => at.unwrap_or(deadline + Duration::from_millis(1)),
                }
            };
            // After a notification and after a timeout, the state is checked again.
            drop(timeout_at(wait_until, window.changed.notified()).await);
        }
    }
}

impl InFlightPermit {
    /// Lets the next call begin, because this one was accepted.
    pub fn call_was_accepted(&mut self) {
        let mut state = lock(&self.window.state);
        state.note_call(self.began_at.elapsed());
        state.used = state.used.saturating_sub(1);
        state.unrecorded += 1;
        drop(state);
        self.stage = PermitStage::Recording;
        self.window.changed.notify_one();
    }
}

impl Drop for CallReservation {
    fn drop(&mut self) {
        let mut state = lock(&self.window.state);
        state.waiting = state.waiting.saturating_sub(1);
    }
}

impl Drop for InFlightPermit {
    fn drop(&mut self) {
        let mut state = lock(&self.window.state);
        match self.stage {
            PermitStage::Call => {
                state.note_call(self.began_at.elapsed());
                state.used = state.used.saturating_sub(1);
            }
            PermitStage::Recording => state.unrecorded = state.unrecorded.saturating_sub(1),
        }
        drop(state);
        self.window.changed.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sending::submission_window::AHEAD_PER_CALL;

    const SENDING: SubmissionPurpose = SubmissionPurpose::Sending;

    fn window(max_in_flight: usize) -> Arc<SubmissionWindow> {
        let window = Arc::<SubmissionWindow>::default();
        lock(&window.state).max_in_flight = max_in_flight;
        window
    }

    fn grow_to(window: &SubmissionWindow, limit: usize) {
        lock(&window.state).limit = limit;
    }

    #[tokio::test]
    async fn calls_begin_up_to_the_limit_and_the_next_after_an_acceptance() {
        let window = window(64);
        let mut reservations = window.reserve(100, SENDING, CallTiming::AtOnce);
        assert_eq!(reservations.len(), SLOW_START);
        let mut first = reservations.pop().unwrap().begin().await.unwrap();
        let mut others = Vec::new();
        for reservation in reservations {
            others.push(reservation.begin().await.unwrap());
        }
        assert!(window.reserve(100, SENDING, CallTiming::AtOnce).is_empty());
        // Its outcome is not recorded yet.
        first.call_was_accepted();
        let next = window.reserve(100, SENDING, CallTiming::AtOnce);
        assert_eq!(next.len(), 1);
        drop(others);
        let more = window.reserve(100, SENDING, CallTiming::AtOnce);
        assert_eq!(more.len(), SLOW_START - 1);
    }

    #[tokio::test]
    async fn messages_wait_for_their_slots_without_a_permit() {
        let window = window(8);
        grow_to(&window, 8);
        let timing = CallTiming::InSlots(Duration::ZERO);
        let mut reservations = window.reserve(1_000, SENDING, timing);
        assert_eq!(reservations.len(), 8 * AHEAD_PER_CALL);
        let mut permits = Vec::new();
        for reservation in reservations.drain(..8) {
            permits.push(reservation.begin().await.unwrap());
        }
        let ninth = tokio::spawn(reservations.remove(0).begin());
        tokio::task::yield_now().await;
        assert!(!ninth.is_finished(), "all permits are used");
        permits[0].call_was_accepted();
        let ninth = ninth.await.unwrap().unwrap();
        assert_eq!(lock(&window.state).used, 8);
        drop((ninth, permits, reservations));
        let state = lock(&window.state);
        assert_eq!((state.used, state.waiting, state.unrecorded), (0, 0, 0));
    }

    #[tokio::test]
    async fn calls_of_messages_claimed_before_a_stop_are_cancelled_except_a_probe() {
        let window = window(64);
        let mut reservations = window.reserve(2, SENDING, CallTiming::AtOnce);
        let probe = window.reserve(1, SubmissionPurpose::Probe, CallTiming::AtOnce);
        window.stop();
        assert_eq!(
            reservations.pop().unwrap().begin().await.unwrap_err(),
            CallCancelled
        );
        for reservation in probe {
            reservation.begin().await.unwrap();
        }
        for reservation in window.reserve(1, SENDING, CallTiming::AtOnce) {
            reservation.begin().await.unwrap();
        }
    }
}
