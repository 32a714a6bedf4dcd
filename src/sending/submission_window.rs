//! Computes how many messages of one account may be claimed, and when calls may begin. Never waits.

use std::time::Duration;

use tokio::time::Instant;

/// Concurrent submissions before the first acceptance, so that a broken account costs few messages.
pub(super) const SLOW_START: usize = 4;
/// Messages that are claimed ahead for each concurrent submission, until the duration of calls is
/// known.
pub(super) const AHEAD_PER_CALL: usize = 8;
/// So many messages are claimed ahead that each waits about this long for a permit.
const EXPECTED_WAIT: Duration = Duration::from_secs(5);
/// The last call has one part in this many in the moving average.
const AVERAGED_CALLS: u32 = 8;
/// How much later than its slot a call may begin without delaying the calls after it. Calls that are
/// late together exceed the rate by as many calls as fit into this time.
const TOLERATED_LATENESS: Duration = Duration::from_millis(20);

/// When the calls of claimed messages begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallTiming {
    AtOnce,
    /// In slots ahead of now, at least this far apart.
    InSlots(Duration),
}

#[derive(Debug)]
pub(super) struct WindowState {
    pub(super) limit: usize,
    /// As configured.
    pub(super) max_in_flight: usize,
    /// Claimed messages whose calls have not begun.
    pub(super) waiting: usize,
    /// Running calls, and replies other than acceptances whose outcomes are not recorded.
    pub(super) used: usize,
    /// Acceptances whose outcomes are not recorded.
    pub(super) unrecorded: usize,
    /// How often the account stopped sending.
    pub(super) stops: u64,
    pub(super) average_call: Option<Duration>,
    /// The earliest time of the next call; only for an account with a rate.
    pub(super) next_call_at: Option<Instant>,
}

impl Default for WindowState {
    fn default() -> Self {
        Self {
            limit: SLOW_START,
            max_in_flight: SLOW_START,
            waiting: 0,
            used: 0,
            unrecorded: 0,
            stops: 0,
            average_call: None,
            next_call_at: None,
        }
    }
}

impl WindowState {
    /// How many more messages may be claimed.
    pub(super) fn count_claimable(&self, timing: CallTiming) -> usize {
        let limit = self.limit.min(self.max_in_flight);
        let begun = self.used + self.unrecorded;
        match timing {
            CallTiming::AtOnce => {
                let free = limit.saturating_sub(self.used + self.waiting);
                free.min((2 * limit).saturating_sub(begun + self.waiting))
            }
            CallTiming::InSlots(_) => self.ahead(limit).saturating_sub(self.waiting + begun),
        }
    }

    /// How many messages may be claimed whose outcomes are not recorded.
    fn ahead(&self, limit: usize) -> usize {
        let per_call = self.average_call.map_or(AHEAD_PER_CALL, |call| {
            let calls = EXPECTED_WAIT.as_micros() / call.as_micros().max(1);
            usize::try_from(calls).unwrap_or(usize::MAX)
        });
        limit.saturating_mul(per_call).max(limit)
    }

    pub(super) fn slow_down(&mut self) {
        self.limit = SLOW_START;
        self.average_call = None;
    }

    pub(super) fn note_call(&mut self, took: Duration) {
        self.average_call = Some(self.average_call.map_or(took, |average| {
            (average * (AVERAGED_CALLS - 1) + took) / AVERAGED_CALLS
        }));
    }

    /// Fails with the time at which to try again, if it is known.
    pub(super) fn begin(
        &mut self,
        timing: CallTiming,
        now: Instant,
    ) -> Result<(), Option<Instant>> {
        if self.used >= self.limit.min(self.max_in_flight) {
            return Err(None);
        }
        if let CallTiming::InSlots(interval) = timing {
            let next = self.next_call_at.unwrap_or(now);
            if now + TOLERATED_LATENESS < next {
                return Err(Some(next - TOLERATED_LATENESS));
            }
            self.next_call_at = Some(next.max(now) + interval);
        }
        self.used += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_messages_are_claimed_ahead_of_slow_calls() {
        let mut state = WindowState {
            limit: 64,
            max_in_flight: 64,
            ..WindowState::default()
        };
        let timing = CallTiming::InSlots(Duration::from_millis(1));
        let mut claimable_after = |call: Duration| {
            state.average_call = None;
            state.note_call(call);
            state.count_claimable(timing)
        };
        assert!(claimable_after(Duration::from_millis(5)) > 1_000);
        assert_eq!(claimable_after(Duration::from_secs(1)), 5 * 64);
        assert_eq!(claimable_after(Duration::from_secs(30)), 64);
    }

    #[test]
    fn calls_that_were_late_together_do_not_exceed_the_rate() {
        let begin = Instant::now();
        let interval = Duration::from_millis(1);
        let mut state = WindowState {
            limit: usize::MAX,
            max_in_flight: usize::MAX,
            ..WindowState::default()
        };
        // A second's slots pass before the first call.
        let mut now = begin + Duration::from_secs(1);
        let mut calls = Vec::new();
        for _ in 0..1_000 {
            if let Err(at) = state.begin(CallTiming::InSlots(interval), now) {
                now = at.unwrap();
                state.begin(CallTiming::InSlots(interval), now).unwrap();
            }
            calls.push(now);
        }
        let within = |span: Duration| calls.partition_point(|at| *at <= calls[0] + span);
        assert!(within(Duration::ZERO) <= 21);
        assert!(within(Duration::from_millis(500)) <= 521);
        assert!(within(Duration::from_secs(2)) == 1_000, "all are made");
    }
}
