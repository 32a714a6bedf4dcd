//! The customer service window: WhatsApp accepts free-form messages for 24 hours after a customer's
//! message.

use chrono::{DateTime, TimeDelta, Utc};

pub const LENGTH: TimeDelta = TimeDelta::hours(24);

/// What is known about a customer's window. The times are the events' own, not those of their
/// reports: the order of arrival makes no difference.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WindowEvents {
    /// The last message of any customer; absent until the account's first inbound message.
    pub inbound_to_account: Option<DateTime<Utc>>,
    /// The last message of this customer.
    pub inbound_from_customer: Option<DateTime<Utc>>,
    /// When a message to this customer last failed because the window was closed.
    pub refused_at: Option<DateTime<Utc>>,
}

/// Whether WhatsApp accepts a free-form message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Window {
    Open {
        expires_at: DateTime<Utc>,
    },
    Closed {
        /// The latest possible time; absent where the customer never wrote and nothing was refused.
        expired_at: Option<DateTime<Utc>>,
    },
    /// No inbound message of the account was ever received.
    Unknown,
}

impl Window {
    /// A refusal closes the window until the customer writes again. It counts for 24 hours:
    /// after that, the window is unknown if the account's inbound messages are not received here.
    pub fn at(now: DateTime<Utc>, events: WindowEvents) -> Self {
        let refused_at = events.refused_at.filter(|at| {
            now < *at + LENGTH
                && events
                    .inbound_from_customer
                    .is_none_or(|wrote| wrote <= *at)
        });
        if let Some(refused_at) = refused_at {
            let expired_at = events
                .inbound_from_customer
                .map_or(refused_at, |wrote| refused_at.min(wrote + LENGTH));
            return Self::Closed {
                expired_at: Some(expired_at),
            };
        }
        match (events.inbound_from_customer, events.inbound_to_account) {
            (Some(at), _) if now < at + LENGTH => Self::Open {
                expires_at: at + LENGTH,
            },
            (Some(at), _) => Self::Closed {
                expired_at: Some(at + LENGTH),
            },
            (None, Some(_)) => Self::Closed { expired_at: None },
            (None, None) => Self::Unknown,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open { .. } => "open",
            Self::Closed { .. } => "closed",
            Self::Unknown => "unknown",
        }
    }

    pub fn expires_at(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Open { expires_at } => Some(expires_at),
            Self::Closed { expired_at } => expired_at,
            Self::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_open_for_exactly_twenty_four_hours() {
        let wrote = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let last = WindowEvents {
            inbound_to_account: Some(wrote),
            inbound_from_customer: Some(wrote),
            refused_at: None,
        };
        let closes = wrote + TimeDelta::hours(24);
        let just_before = closes - TimeDelta::milliseconds(1);
        assert_eq!(
            Window::at(just_before, last),
            Window::Open { expires_at: closes }
        );
        assert_eq!(
            Window::at(closes, last),
            Window::Closed {
                expired_at: Some(closes)
            }
        );
    }

    #[test]
    fn without_inbound_messages_the_window_is_unknown() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let others = WindowEvents {
            inbound_to_account: Some(now - TimeDelta::days(9)),
            ..WindowEvents::default()
        };
        assert_eq!(Window::at(now, others), Window::Closed { expired_at: None });
        assert_eq!(Window::at(now, WindowEvents::default()), Window::Unknown);
    }

    #[test]
    fn a_refusal_closes_the_window_until_the_customer_writes_again() {
        let wrote = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let refused = wrote + TimeDelta::hours(2);
        let events = |wrote, refused_at| WindowEvents {
            inbound_to_account: wrote,
            inbound_from_customer: wrote,
            refused_at,
        };
        let hour = TimeDelta::hours(1);
        for (now, events, expected) in [
            (
                refused,
                events(Some(wrote), Some(refused)),
                Window::Closed {
                    expired_at: Some(refused),
                },
            ),
            // Within one second of the provider's clock.
            (
                refused,
                events(Some(refused), Some(refused)),
                Window::Closed {
                    expired_at: Some(refused),
                },
            ),
            (
                refused + hour,
                events(Some(refused + hour), Some(refused)),
                Window::Open {
                    expires_at: refused + hour + LENGTH,
                },
            ),
            // It had expired long before.
            (
                wrote + LENGTH * 2,
                events(Some(wrote), Some(wrote + LENGTH * 2)),
                Window::Closed {
                    expired_at: Some(wrote + LENGTH),
                },
            ),
            // No inbound message is ever received here.
            (
                refused,
                events(None, Some(refused)),
                Window::Closed {
                    expired_at: Some(refused),
                },
            ),
            (
                refused + LENGTH,
                events(None, Some(refused)),
                Window::Unknown,
            ),
        ] {
            assert_eq!(Window::at(now, events), expected);
        }
    }
}
