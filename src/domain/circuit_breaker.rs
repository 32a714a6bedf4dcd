//! The circuit breaker of an account: it opens when submissions fail one after another, and closes
//! when the provider accepts a message.

use chrono::{DateTime, TimeDelta, Utc};

/// It opens after this many consecutive submissions without a clear reply.
const UNCLEAR_LIMIT: u32 = 5;
/// It opens after messages to this many recipients in a row were refused in the same way.
const REFUSAL_LIMIT: u32 = 10;
/// After this many refusals of one kind, fewer messages are submitted at a time.
const REDUCTION_LIMIT: u32 = 3;
/// The account is paused after this many messages failed or became uncertain.
const FAILED_MESSAGES_LIMIT: u32 = 20;
/// At most this many messages that were in flight when it opened count: a pause would come too late
/// for them.
const MAX_COUNTED_IN_FLIGHT: u32 = 13;
const FIRST_PROBE_WAIT: TimeDelta = TimeDelta::seconds(30);
const LONGEST_PROBE_WAIT: TimeDelta = TimeDelta::minutes(5);

/// The consecutive submissions that failed in the same way, since the last acceptance.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Streak {
    /// [`UNCLEAR_STREAK`], or HTTP status and code of the refusals.
    pub kind: Option<String>,
    pub count: u32,
    /// Hashes of the recipients of refusals; no personal data.
    pub recipients: Vec<String>,
}

/// The stored kind of a streak of submissions without a clear reply.
pub const UNCLEAR_STREAK: &str = "trouble";

/// The state of an open breaker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trip {
    pub since: DateTime<Utc>,
    pub reason: String,
    /// The provider's last reply, in one line.
    pub last_reply: String,
    pub next_probe_at: DateTime<Utc>,
    pub probe_wait: TimeDelta,
    /// Messages that were refused or became uncertain since the streak began.
    pub failed_messages: u32,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CircuitBreaker {
    pub streak: Streak,
    pub trip: Option<Trip>,
}

/// A submission that was not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FailedSubmission<'a> {
    pub cause: FailureCause<'a>,
    pub purpose: SubmissionPurpose,
    /// A description of the reply, in one line.
    pub reply: &'a str,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailureCause<'a> {
    /// The request did not leave.
    Unreachable,
    /// 5xx, a timeout or another unclear reply.
    Unclear,
    /// 5xx, and documented as not accepted.
    TryLater,
    /// With this status and code; `recipient` is a hash.
    Refused { kind: &'a str, recipient: &'a str },
}

/// What a submission is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SubmissionPurpose {
    Sending,
    /// One message that tests whether the provider accepts again.
    Probe,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AccountConsequence {
    None,
    /// Fewer messages are submitted at a time.
    ReduceConcurrency,
    /// The breaker opened.
    Tripped(String),
    /// Too many messages failed: only an operator may resume the account.
    Pause(String),
}

impl CircuitBreaker {
    /// Closes it. Returns whether it was open.
    pub fn note_acceptance(&mut self) -> bool {
        self.streak = Streak::default();
        self.trip.take().is_some()
    }

    pub fn note_failure(
        &mut self,
        failed: FailedSubmission<'_>,
        now: DateTime<Utc>,
    ) -> AccountConsequence {
        self.streak.add(failed.cause);
        if let Some(trip) = &mut self.trip {
            return trip.note_failure(failed, now);
        }
        let Some(reason) = self.streak.reason_to_trip() else {
            return if self.streak.reduces_concurrency() {
                AccountConsequence::ReduceConcurrency
            } else {
                AccountConsequence::None
            };
        };
        self.trip = Some(Trip {
            since: now,
            reason: reason.clone(),
            last_reply: failed.reply.to_owned(),
            next_probe_at: now + FIRST_PROBE_WAIT,
            probe_wait: FIRST_PROBE_WAIT,
            failed_messages: match failed.cause {
                FailureCause::Unreachable | FailureCause::TryLater => 0,
                _ => self.streak.count,
            },
        });
        AccountConsequence::Tripped(reason)
    }

    /// After a reply that neither accepts nor refuses: a probe is sent again at `at`. A late reply
    /// to another submission never brings the next probe forward.
    pub fn note_other_reply(&mut self, purpose: SubmissionPurpose, at: DateTime<Utc>) {
        match (&mut self.trip, purpose) {
            (Some(trip), SubmissionPurpose::Probe) => trip.next_probe_at = at,
            (_, SubmissionPurpose::Sending) => self.postpone_probe(at),
            (None, SubmissionPurpose::Probe) => {}
        }
    }

    /// Sends no probe before `until`.
    pub fn postpone_probe(&mut self, until: DateTime<Utc>) {
        if let Some(trip) = &mut self.trip {
            trip.next_probe_at = trip.next_probe_at.max(until);
        }
    }
}

impl Streak {
    fn add(&mut self, cause: FailureCause<'_>) {
        let kind = match cause {
            FailureCause::Refused { kind, .. } => kind,
            _ => UNCLEAR_STREAK,
        };
        if self.kind.as_deref() != Some(kind) {
            *self = Self {
                kind: Some(kind.to_owned()),
                ..Self::default()
            };
        }
        match cause {
            FailureCause::Refused { recipient, .. } => {
                let known = self.recipients.iter().any(|hash| hash == recipient);
                if !known && self.recipients.len() < REFUSAL_LIMIT as usize {
                    self.recipients.push(recipient.to_owned());
                    self.count += 1;
                }
            }
            _ => self.count = self.count.saturating_add(1),
        }
    }

    fn is_unclear(&self) -> bool {
        self.kind.as_deref() == Some(UNCLEAR_STREAK)
    }

    fn reduces_concurrency(&self) -> bool {
        self.is_unclear() || self.count >= REDUCTION_LIMIT
    }

    fn reason_to_trip(&self) -> Option<String> {
        let count = self.count;
        if self.is_unclear() {
            return (count >= UNCLEAR_LIMIT)
                .then(|| format!("{count} submissions in a row had no clear reply"));
        }
        (count >= REFUSAL_LIMIT).then(|| {
            format!("messages to {count} recipients in a row were refused in the same way")
        })
    }
}

impl Trip {
    fn note_failure(
        &mut self,
        failed: FailedSubmission<'_>,
        now: DateTime<Utc>,
    ) -> AccountConsequence {
        failed.reply.clone_into(&mut self.last_reply);
        let counts = matches!(
            failed.cause,
            FailureCause::Unclear | FailureCause::Refused { .. }
        );
        let is_probe = failed.purpose == SubmissionPurpose::Probe;
        if counts && (is_probe || self.failed_messages < MAX_COUNTED_IN_FLIGHT) {
            self.failed_messages = self.failed_messages.saturating_add(1);
        }
        if is_probe {
            self.probe_wait = (self.probe_wait * 2).min(LONGEST_PROBE_WAIT);
            self.next_probe_at = now + self.probe_wait;
        }
        if self.failed_messages >= FAILED_MESSAGES_LIMIT {
            return AccountConsequence::Pause(format!(
                "{}; {} messages failed or became uncertain, the last reply was: {}",
                self.reason, self.failed_messages, self.last_reply
            ));
        }
        AccountConsequence::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> DateTime<Utc> {
        "2026-11-20T12:00:00Z".parse().unwrap()
    }

    fn failed(cause: FailureCause<'_>, purpose: SubmissionPurpose) -> FailedSubmission<'_> {
        FailedSubmission {
            cause,
            purpose,
            reply: "HTTP 502",
        }
    }

    #[test]
    fn five_unclear_replies_in_a_row_open_it_and_an_acceptance_closes_it() {
        let mut breaker = CircuitBreaker::default();
        let unclear = failed(FailureCause::Unclear, SubmissionPurpose::Sending);
        for _ in 0..4 {
            assert_eq!(
                breaker.note_failure(unclear, noon()),
                AccountConsequence::ReduceConcurrency
            );
        }
        assert!(!breaker.note_acceptance());
        for _ in 0..4 {
            breaker.note_failure(unclear, noon());
            assert_eq!(breaker.trip, None);
        }
        let consequence = breaker.note_failure(unclear, noon());
        assert!(matches!(consequence, AccountConsequence::Tripped(_)));
        assert_eq!(breaker.trip.as_ref().unwrap().failed_messages, 5);
        assert!(breaker.note_acceptance());
        assert_eq!(breaker, CircuitBreaker::default());
    }

    #[test]
    fn ten_equal_refusals_open_it_if_the_recipients_differ() {
        let mut breaker = CircuitBreaker::default();
        let refuse = |breaker: &mut CircuitBreaker, kind: &str, recipient: &str| {
            let cause = FailureCause::Refused { kind, recipient };
            breaker.note_failure(failed(cause, SubmissionPurpose::Sending), noon())
        };
        for _ in 0..30 {
            refuse(&mut breaker, "400/131026", "one");
        }
        for number in 0..30 {
            refuse(
                &mut breaker,
                &format!("400/{}", number % 2),
                &number.to_string(),
            );
        }
        assert_eq!(breaker.trip, None);
        for number in 0..9 {
            refuse(&mut breaker, "404/404", &number.to_string());
        }
        assert_eq!(breaker.trip, None);
        assert!(matches!(
            refuse(&mut breaker, "404/404", "last"),
            AccountConsequence::Tripped(_)
        ));
    }

    #[test]
    fn probe_waits_double_to_five_minutes_and_twenty_failed_messages_pause_the_account() {
        let mut breaker = CircuitBreaker::default();
        for _ in 0..5 {
            breaker.note_failure(
                failed(FailureCause::Unclear, SubmissionPurpose::Sending),
                noon(),
            );
        }
        let mut now = noon();
        let mut waits = Vec::new();
        let paused = loop {
            let trip = breaker.trip.clone().unwrap();
            waits.push((trip.next_probe_at - now).num_seconds());
            now = trip.next_probe_at;
            let probe = failed(FailureCause::Unclear, SubmissionPurpose::Probe);
            if let AccountConsequence::Pause(reason) = breaker.note_failure(probe, now) {
                break reason;
            }
        };
        assert_eq!(&waits[..6], [30, 60, 120, 240, 300, 300]);
        assert_eq!(waits.len(), 15);
        assert!(paused.contains("20 messages") && paused.contains("HTTP 502"));
    }

    #[test]
    fn probes_of_an_unreachable_provider_count_no_failed_messages() {
        let mut breaker = CircuitBreaker::default();
        let cause = FailureCause::Unreachable;
        for _ in 0..500 {
            let failed = failed(cause, SubmissionPurpose::Probe);
            let consequence = breaker.note_failure(failed, noon());
            assert!(!matches!(consequence, AccountConsequence::Pause(_)));
        }
        assert_eq!(breaker.trip.unwrap().failed_messages, 0);
    }

    #[test]
    fn messages_in_flight_do_not_use_up_the_probes_before_the_pause() {
        let mut breaker = CircuitBreaker::default();
        for _ in 0..64 {
            let sending = failed(FailureCause::Unclear, SubmissionPurpose::Sending);
            let consequence = breaker.note_failure(sending, noon());
            assert!(!matches!(consequence, AccountConsequence::Pause(_)));
        }
        assert_eq!(
            breaker.trip.as_ref().unwrap().failed_messages,
            MAX_COUNTED_IN_FLIGHT
        );
        let mut probes = 0;
        loop {
            let probe = failed(FailureCause::Unclear, SubmissionPurpose::Probe);
            probes += 1;
            if let AccountConsequence::Pause(_) = breaker.note_failure(probe, noon()) {
                break;
            }
        }
        assert_eq!(probes, FAILED_MESSAGES_LIMIT - MAX_COUNTED_IN_FLIGHT);
    }

    #[test]
    fn only_the_reply_to_a_probe_brings_the_next_one_forward() {
        let mut breaker = CircuitBreaker::default();
        for _ in 0..5 {
            let sending = failed(FailureCause::Unclear, SubmissionPurpose::Sending);
            breaker.note_failure(sending, noon());
        }
        let due = breaker.trip.clone().unwrap().next_probe_at;
        let soon = noon() + TimeDelta::seconds(1);
        breaker.note_other_reply(SubmissionPurpose::Sending, soon);
        assert_eq!(breaker.trip.as_ref().unwrap().next_probe_at, due);
        breaker.note_other_reply(SubmissionPurpose::Probe, soon);
        assert_eq!(breaker.trip.as_ref().unwrap().next_probe_at, soon);
    }
}
