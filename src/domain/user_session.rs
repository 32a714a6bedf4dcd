//! Sessions of the dashboard, and how long they last.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::ids::{SessionId, UserId};

/// How long a session lasts after its last use.
pub const SESSION_IDLE_LIFE: TimeDelta = TimeDelta::hours(12);
/// How long a session lasts at most.
pub const SESSION_LIFE: TimeDelta = TimeDelta::days(30);

/// A sign-in that lasts until it is ended or expires.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserSession {
    pub id: SessionId,
    pub user: UserId,
    pub started_at: DateTime<Utc>,
    /// The time of the last use, to within five minutes.
    pub used_at: DateTime<Utc>,
    /// The IP address at sign-in.
    pub address: Option<String>,
    /// The browser, as its requests named it at sign-in.
    pub browser: Option<String>,
}

impl UserSession {
    pub fn ends_at(&self) -> DateTime<Utc> {
        (self.used_at + SESSION_IDLE_LIFE).min(self.started_at + SESSION_LIFE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_after_twelve_idle_hours_and_at_last_after_thirty_days() {
        let start: DateTime<Utc> = "2026-11-20T12:00:00Z".parse().unwrap();
        let session = |used_at| UserSession {
            id: SessionId::new(start),
            user: UserId::new(start),
            started_at: start,
            used_at,
            address: None,
            browser: None,
        };
        assert_eq!(session(start).ends_at(), start + TimeDelta::hours(12));
        let late = start + TimeDelta::days(30) - TimeDelta::hours(1);
        assert_eq!(session(late).ends_at(), start + TimeDelta::days(30));
    }
}
