//! What becomes of an accepted message, and when: the undisturbed plan, before chaos touches it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::media::MediaKind;
use crate::domain::provider::ProviderId;
use crate::simulator::seeded_rng::SeededRng;
use crate::simulator::settings::Settings;

/// How a message ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PlannedOutcome {
    /// No callback ever.
    Silent,
    /// `sent`, then nothing.
    Sent,
    /// On the phone, never opened.
    Delivered,
    /// Opened.
    Read,
    /// Opened and played.
    Played,
    /// Failed at WhatsApp.
    Failed,
    /// Not handed on by the provider; only Kaleyra says so, the others fail instead.
    NotSent,
}

/// A message that a simulated provider accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AcceptedMessage {
    /// Who accepted it.
    pub provider: ProviderId,
    /// Which of that provider's sends it is, counted from 1.
    pub ordinal: u64,
    /// Image or video.
    pub kind: MediaKind,
    /// The customer's number, digits.
    pub recipient: String,
    /// The customer's name, where the request tells it.
    pub name: Option<String>,
    /// The business number, digits.
    pub sender: String,
    /// The media's address, or a note that it was uploaded.
    pub media: String,
    /// `ref`, `ref1`, `ref2` as they came (Kaleyra).
    pub references: [Option<String>; 3],
    /// Where this message's reports go (Zixflow).
    pub report_url: Option<String>,
    /// Ids that the reply named.
    pub reply_ids: Vec<String>,
    /// WhatsApp's id, used in reports.
    pub wamid: String,
    /// The other id of reports: Kaleyra's second wamid, Zixflow's message id, LancePilot's resource id.
    pub second_id: String,
    /// An id that many messages share: Zixflow's campaign, Kaleyra's conversation.
    pub shared_id: String,
    /// When it was accepted.
    pub at: DateTime<Utc>,
}

/// What WhatsApp or a provider has against a message.
#[derive(PartialEq, Eq, Debug)]
pub struct FailureReason {
    /// The code in reports.
    pub code: &'static str,
    /// Its title.
    pub title: &'static str,
    /// The longer text.
    pub details: &'static str,
    /// Whether `sent` is reported before the failure.
    after_sent: bool,
}

/// Failures by WhatsApp, the more frequent ones more than once.
const FAILURE_REASONS: [FailureReason; 8] = [
    UNDELIVERABLE,
    UNDELIVERABLE,
    MEDIA_UPLOAD,
    MEDIA_UPLOAD,
    WINDOW_CLOSED,
    FailureReason {
        code: "131049",
        title: "This message was not delivered to maintain healthy ecosystem engagement.",
        details: "In order to maintain a healthy ecosystem engagement, the message failed to be delivered.",
        after_sent: false,
    },
    FailureReason {
        code: "470",
        title: "Message failed to send because more than 24 hours have passed since the customer last replied to this number.",
        details: "The customer service window is closed.",
        after_sent: false,
    },
    FailureReason {
        code: "131056",
        title: "(Business Account, Consumer Account) pair rate limit hit",
        details: "Too many messages were sent from this phone number to the same phone number in a short period of time.",
        after_sent: false,
    },
];

const UNDELIVERABLE: FailureReason = FailureReason {
    code: "131026",
    title: "Message undeliverable",
    details: "Message Undeliverable.",
    after_sent: true,
};

const MEDIA_UPLOAD: FailureReason = FailureReason {
    code: "131053",
    title: "Media upload error",
    details: "Downloading media from weblink failed with http code 404, status message Not Found",
    after_sent: false,
};

const WINDOW_CLOSED: FailureReason = FailureReason {
    code: "131047",
    title: "Re-engagement message",
    details: "Message failed to send because more than 24 hours have passed since the customer last replied to this number.",
    after_sent: false,
};

/// Kaleyra refuses to hand a message on. Its page names the reason without a code; WhatsApp's for the same reason stands in. The documented `WAV2101` concerns the whole account, which would not go on after it.
pub(crate) const OPTED_OUT: FailureReason = FailureReason {
    code: "131050",
    title: "Number opted out",
    details: "Number opted out",
    after_sent: false,
};

/// One thing that a provider reports.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct PlannedEvent {
    /// What.
    pub(crate) kind_of_event: EventKind,
    /// How long after acceptance it is reported, at pace 1.
    pub(crate) after: Duration,
    /// The provider's timestamp; chaos may take it away.
    pub(crate) at: Option<DateTime<Utc>>,
}

/// What a provider can report.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum EventKind {
    /// LancePilot tells that a message went out, with an id but without status.
    Echo,
    /// WhatsApp has it.
    Sent,
    /// On the phone.
    Delivered,
    /// Opened.
    Read,
    /// Played.
    Played,
    /// Failed at WhatsApp.
    Failed(&'static FailureReason),
    /// Not handed to WhatsApp.
    NotSent(&'static FailureReason),
    /// A word nobody knows.
    Unknown(&'static str),
    /// The customer wrote back.
    Answered,
}

impl EventKind {
    /// The status word of reports.
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
            Self::Answered => "received",
        }
    }

    /// The failure, if it is one.
    pub(crate) fn reason(self) -> Option<&'static FailureReason> {
        match self {
            Self::Failed(reason) | Self::NotSent(reason) => Some(reason),
            _ => None,
        }
    }

    /// Whether it can stand beside other statuses in one callback.
    pub(crate) fn can_be_batched(self) -> bool {
        matches!(
            self,
            Self::Sent | Self::Delivered | Self::Read | Self::Played | Self::Failed(_)
        )
    }
}

/// Any failure by WhatsApp.
pub(crate) fn pick_failure_reason(rng: &mut SeededRng) -> &'static FailureReason {
    &FAILURE_REASONS[rng.below(FAILURE_REASONS.len())]
}

/// Everything that will be reported of a message, in order.
pub(crate) fn tell(message: &AcceptedMessage, settings: &Settings) -> Vec<PlannedEvent> {
    let mut rng = SeededRng::new(
        settings.seed,
        message.provider.as_str(),
        message.ordinal,
        "fate",
    );
    let thrown = pick_outcome(message, settings, &mut rng);
    let mut plan = EventPlan {
        message,
        events: Vec::new(),
        seconds: 0.0,
        pace: settings.pace,
    };
    plan.run(settings.planned_outcome.unwrap_or(thrown), &mut rng);
    if matches!(plan.last(), Some(EventKind::Read | EventKind::Played))
        && rng.chance(settings.answered_share)
    {
        plan.add(EventKind::Answered, rng.between(2.0, 9.0));
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
    fn run(&mut self, planned_outcome: PlannedOutcome, rng: &mut SeededRng) {
        if self.message.provider == ProviderId::LancePilot
            && planned_outcome != PlannedOutcome::Silent
        {
            self.add(EventKind::Echo, rng.between(0.1, 0.3));
        }
        match planned_outcome {
            PlannedOutcome::Silent => {}
            PlannedOutcome::Sent => self.sent(rng),
            PlannedOutcome::Delivered => {
                self.sent(rng);
                self.add(EventKind::Delivered, rng.between(0.8, 2.2));
            }
            PlannedOutcome::Read => self.read(rng),
            PlannedOutcome::Played => {
                self.read(rng);
                self.add(EventKind::Played, rng.between(1.0, 6.0));
            }
            PlannedOutcome::NotSent if self.message.provider == ProviderId::Kaleyra => {
                self.add(EventKind::NotSent(&OPTED_OUT), rng.between(0.2, 0.8));
            }
            PlannedOutcome::Failed | PlannedOutcome::NotSent => {
                let reason = pick_failure_reason(rng);
                if reason.after_sent {
                    self.sent(rng);
                }
                self.add(EventKind::Failed(reason), rng.between(0.5, 2.0));
            }
        }
    }

    fn sent(&mut self, rng: &mut SeededRng) {
        self.add(EventKind::Sent, rng.between(0.3, 0.9));
    }

    fn read(&mut self, rng: &mut SeededRng) {
        self.sent(rng);
        // With the chat open, WhatsApp reports no `delivered` at all.
        if rng.chance(0.94) {
            self.add(EventKind::Delivered, rng.between(0.8, 2.2));
        }
        self.add(EventKind::Read, rng.between(1.5, 8.0));
    }

    fn add(&mut self, kind_of_event: EventKind, seconds: f64) {
        self.seconds += seconds;
        let after = Duration::from_secs_f64(self.seconds);
        let shown = chrono::TimeDelta::from_std(after.mul_f64(self.pace)).unwrap_or_default();
        self.events.push(PlannedEvent {
            kind_of_event,
            after,
            at: Some(self.message.at + shown),
        });
    }

    fn last(&self) -> Option<EventKind> {
        self.events.last().map(|event| event.kind_of_event)
    }
}
