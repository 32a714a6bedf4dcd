//! The customer service window: WhatsApp accepts free-form messages for 24 hours after a customer's
//! message.

use chrono::{DateTime, TimeDelta, Utc};

const LENGTH: TimeDelta = TimeDelta::hours(24);

/// The last inbound messages of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LastInbound {
    /// From any customer; absent until the account's first inbound message.
    pub to_account: Option<DateTime<Utc>>,
    /// From this customer.
    pub of_customer: Option<DateTime<Utc>>,
}

/// Whether WhatsApp accepts a free-form message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Window {
    Open {
        expires_at: DateTime<Utc>,
    },
    Closed {
        /// Absent where the customer never wrote.
        expired_at: Option<DateTime<Utc>>,
    },
    /// No inbound message of the account was ever received.
    Unknown,
}

impl Window {
    pub fn at(now: DateTime<Utc>, last: LastInbound) -> Self {
        match (last.of_customer, last.to_account) {
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
        let last = LastInbound {
            to_account: Some(wrote),
            of_customer: Some(wrote),
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
        let others = LastInbound {
            to_account: Some(now - TimeDelta::days(9)),
            of_customer: None,
        };
        assert_eq!(Window::at(now, others), Window::Closed { expired_at: None });
        assert_eq!(Window::at(now, LastInbound::default()), Window::Unknown);
    }
}
