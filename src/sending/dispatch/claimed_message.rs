//! A message that this process has claimed and will submit.

use chrono::{DateTime, Utc};

use crate::domain::circuit_breaker::SubmissionPurpose;
use crate::domain::ids::{AttemptId, MessageId};
use crate::domain::message::OutgoingMessage;
use crate::domain::provider_account::Account;
use crate::providers::SendStep;
use crate::sending::in_flight_limit::CallReservation;

#[derive(Debug)]
pub struct ClaimedMessage {
    pub(super) outgoing: OutgoingMessage,
    pub(super) account: Account,
    pub(super) attempt: AttemptId,
    /// The number of the attempt, from 1.
    pub(super) number: u32,
    /// When the first byte may be sent, on the steady clock.
    pub(super) call_at: DateTime<Utc>,
    pub(super) purpose: SubmissionPurpose,
    /// Built once, so that the stored request is the one that is sent.
    pub(super) first_step: SendStep,
    /// Present until its call begins.
    pub(super) reservation: Option<CallReservation>,
}

impl ClaimedMessage {
    pub fn message(&self) -> MessageId {
        self.outgoing.id
    }
}
