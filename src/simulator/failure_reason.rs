//! Failures as WhatsApp and Kaleyra report them.

use crate::simulator::seeded_rng::SeededRng;

#[derive(PartialEq, Eq, Debug)]
pub(crate) struct FailureReason {
    pub(crate) code: &'static str,
    pub(crate) title: &'static str,
    pub(crate) details: &'static str,
    /// Whether `sent` is reported before the failure.
    pub(crate) after_sent: bool,
}

const fn reason(code: &'static str, title: &'static str, details: &'static str) -> FailureReason {
    FailureReason {
        code,
        title,
        details,
        after_sent: false,
    }
}

/// Failures reported by WhatsApp; frequent ones occur more than once.
#[rustfmt::skip]
const FAILURE_REASONS: [FailureReason; 8] = [
    UNDELIVERABLE,
    UNDELIVERABLE,
    MEDIA_UPLOAD,
    MEDIA_UPLOAD,
    WINDOW_CLOSED,
    reason("131049", "This message was not delivered to maintain healthy ecosystem engagement.", "In order to maintain a healthy ecosystem engagement, the message failed to be delivered."),
    reason("470", "Message failed to send because more than 24 hours have passed since the customer last replied to this number.", "The customer service window is closed."),
    reason("131056", "(Business Account, Consumer Account) pair rate limit hit", "Too many messages were sent from this phone number to the same phone number in a short period of time."),
];

const UNDELIVERABLE: FailureReason = FailureReason {
    after_sent: true,
    ..reason("131026", "Message undeliverable", "Message Undeliverable.")
};

pub(super) const MEDIA_UPLOAD: FailureReason = reason(
    "131053",
    "Media upload error",
    "Downloading media from weblink failed with http code 404, status message Not Found",
);

const WINDOW_CLOSED: FailureReason = reason(
    "131047",
    "Re-engagement message",
    "Message failed to send because more than 24 hours have passed since the customer last replied to this number.",
);

/// Kaleyra's page names this reason without a code; WhatsApp's code for the same reason is used.
/// The documented `WAV2101` concerns the whole account.
pub(crate) const OPTED_OUT: FailureReason =
    reason("131050", "Number opted out", "Number opted out");

pub(crate) fn pick_failure_reason(rng: &mut SeededRng) -> &'static FailureReason {
    &FAILURE_REASONS[rng.below(FAILURE_REASONS.len())]
}
