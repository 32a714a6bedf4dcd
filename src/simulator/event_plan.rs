//! Plans which events an accepted message will have and when, before faults are applied.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::media::MediaKind;
use crate::domain::provider::ProviderId;
use crate::simulator::failure_reason::{FailureReason, OPTED_OUT, pick_failure_reason};
use crate::simulator::seeded_rng::SeededRng;
use crate::simulator::settings::{PlannedOutcome, Settings};

/// With this seed, the first messages of every provider are delivered or read. Someone who tries
/// Bluetick with one message or two should not see failures that only chance explains.
pub const FIRST_TRY_SEED: u64 = 2;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AcceptedMessage {
    pub provider: ProviderId,
    /// Number of this send at its provider, from 1.
    pub ordinal: u64,
    pub kind: MediaKind,
    /// Digits only.
    pub recipient: String,
    /// From the send request, if it contains a name.
    pub name: Option<String>,
    /// The sender number, digits only.
    pub sender: String,
    /// Media URL, or a note that the file was uploaded.
    pub media: String,
    /// `ref`, `ref1`, `ref2` as received (Kaleyra).
    pub references: [Option<String>; 3],
    /// `reportURL` of this message (Zixflow).
    pub report_url: Option<String>,
    pub reply_ids: Vec<String>,
    /// WhatsApp's id, used in callbacks.
    pub wamid: String,
    /// The other id in callbacks: Kaleyra's second wamid, Zixflow's message id, LancePilot's
    /// resource id.
    pub second_id: String,
    /// An id shared by many messages: Zixflow's campaign, Kaleyra's conversation.
    pub shared_id: String,
    pub at: DateTime<Utc>,
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) struct PlannedEvent {
    pub(crate) kind: EventKind,
    /// Delay after acceptance, at pace 1.
    pub(crate) after: Duration,
    /// The provider's timestamp; a fault may remove it.
    pub(crate) at: Option<DateTime<Utc>>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum EventKind {
    /// LancePilot's event for an outgoing message: an id without status.
    Echo,
    Sent,
    Delivered,
    Read,
    Played,
    Failed(&'static FailureReason),
    /// Not submitted to WhatsApp.
    NotSent(&'static FailureReason),
    /// An unknown status word.
    Unknown(&'static str),
    /// The customer replied.
    CustomerReply,
}

impl EventKind {
    /// The status word in callbacks.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Echo => "outgoing",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Played => "played",
            Self::Failed(_) => "failed",
            Self::NotSent(_) => "not sent",
            Self::Unknown(word) => word,
            Self::CustomerReply => "received",
        }
    }

    pub(crate) fn reason(self) -> Option<&'static FailureReason> {
        match self {
            Self::Failed(reason) | Self::NotSent(reason) => Some(reason),
            _ => None,
        }
    }

    /// Whether it can share a callback with other statuses.
    pub(crate) fn can_be_batched(self) -> bool {
        matches!(
            self,
            Self::Sent | Self::Delivered | Self::Read | Self::Played | Self::Failed(_)
        )
    }
}

/// All events of a message, in order.
pub(crate) fn plan_events(message: &AcceptedMessage, settings: &Settings) -> Vec<PlannedEvent> {
    let mut rng = SeededRng::new(
        settings.seed,
        message.provider.as_str(),
        message.ordinal,
        "outcome",
    );
    let random = pick_outcome(message, settings, &mut rng);
    let mut plan = EventPlan {
        message,
        events: Vec::new(),
        seconds: 0.0,
        pace: settings.pace,
    };
    plan.add_outcome(settings.outcome.unwrap_or(random), &mut rng);
    if matches!(plan.last(), Some(EventKind::Read | EventKind::Played))
        && rng.chance(settings.customer_reply_share)
    {
        plan.add(EventKind::CustomerReply, rng.between(2.0, 9.0));
    }
    plan.events
}

fn pick_outcome(
    message: &AcceptedMessage,
    settings: &Settings,
    rng: &mut SeededRng,
) -> PlannedOutcome {
    if message.provider == ProviderId::Kaleyra && rng.chance(settings.kaleyra.not_sent_share) {
        return PlannedOutcome::NotSent;
    }
    match rng.below(100) {
        0..2 => PlannedOutcome::Silent,
        2..8 => PlannedOutcome::Sent,
        8..30 => PlannedOutcome::Delivered,
        78..89 if message.kind == MediaKind::Video => PlannedOutcome::Played,
        30..89 => PlannedOutcome::Read,
        _ => PlannedOutcome::Failed,
    }
}

struct EventPlan<'a> {
    message: &'a AcceptedMessage,
    events: Vec<PlannedEvent>,
    seconds: f64,
    pace: f64,
}

impl EventPlan<'_> {
    fn add_outcome(&mut self, outcome: PlannedOutcome, rng: &mut SeededRng) {
        if self.message.provider == ProviderId::LancePilot && outcome != PlannedOutcome::Silent {
            self.add(EventKind::Echo, rng.between(0.1, 0.3));
        }
        match outcome {
            PlannedOutcome::Silent => {}
            PlannedOutcome::Sent => self.add_sent(rng),
            PlannedOutcome::Delivered => {
                self.add_sent(rng);
                self.add(EventKind::Delivered, rng.between(0.8, 2.2));
            }
            PlannedOutcome::Read => self.add_read(rng),
            PlannedOutcome::Played => {
                self.add_read(rng);
                self.add(EventKind::Played, rng.between(1.0, 6.0));
            }
            PlannedOutcome::NotSent if self.message.provider == ProviderId::Kaleyra => {
                self.add(EventKind::NotSent(&OPTED_OUT), rng.between(0.2, 0.8));
            }
            PlannedOutcome::Failed | PlannedOutcome::NotSent => {
                let reason = pick_failure_reason(rng);
                if reason.after_sent {
                    self.add_sent(rng);
                }
                self.add(EventKind::Failed(reason), rng.between(0.5, 2.0));
            }
        }
    }

    fn add_sent(&mut self, rng: &mut SeededRng) {
        self.add(EventKind::Sent, rng.between(0.3, 0.9));
    }

    fn add_read(&mut self, rng: &mut SeededRng) {
        self.add_sent(rng);
        // WhatsApp reports no `delivered` if the chat is open.
        if rng.chance(0.94) {
            self.add(EventKind::Delivered, rng.between(0.8, 2.2));
        }
        self.add(EventKind::Read, rng.between(1.5, 8.0));
    }

    fn add(&mut self, kind: EventKind, seconds: f64) {
        self.seconds += seconds;
        let after = Duration::from_secs_f64(self.seconds);
        let scaled = chrono::TimeDelta::from_std(after.mul_f64(self.pace)).unwrap_or_default();
        self.events.push(PlannedEvent {
            kind,
            after,
            at: Some(self.message.at + scaled),
        });
    }

    fn last(&self) -> Option<EventKind> {
        self.events.last().map(|event| event.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(provider: ProviderId, ordinal: u64) -> AcceptedMessage {
        AcceptedMessage {
            provider,
            ordinal,
            kind: MediaKind::Image,
            recipient: String::new(),
            name: None,
            sender: String::new(),
            media: String::new(),
            references: [None, None, None],
            report_url: None,
            reply_ids: Vec::new(),
            wamid: String::new(),
            second_id: String::new(),
            shared_id: String::new(),
            at: DateTime::UNIX_EPOCH,
        }
    }

    fn arrives(provider: ProviderId, ordinal: u64, seed: u64) -> bool {
        let settings = Settings {
            seed,
            ..Settings::default()
        };
        let events = plan_events(&message(provider, ordinal), &settings);
        let arrives =
            |event: &PlannedEvent| matches!(event.kind, EventKind::Delivered | EventKind::Read);
        events.iter().any(arrives)
    }

    #[test]
    fn the_first_messages_of_a_first_try_arrive() {
        for provider in ProviderId::ALL {
            for ordinal in 1..=5 {
                assert!(
                    arrives(provider, ordinal, FIRST_TRY_SEED),
                    "message {ordinal} of {provider}"
                );
            }
        }
    }
}
