//! Rejected requests to callback URLs: counts by cause, and the latest ones for operators.
//!
//! **Invariant:** nothing that the caller chose is logged or kept, except the id of a configured
//! account.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::domain::enum_words::enum_words;
use crate::domain::ids::AccountId;
use chrono::{DateTime, Utc};

/// Maximum number of rejections kept; older ones are only counted.
pub const MAX_KEPT: usize = 1_000;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum RejectionCause {
    /// The URL names no account that was ever configured.
    UnknownAccount,
    /// The token in a callback URL does not belong to the account, or its generation is retired.
    WrongToken,
    /// The token of a report URL is not signed with our key.
    WrongReportToken,
    /// A subscription handshake with another verify token.
    WrongVerifyToken,
    /// It failed the account's authentication; stored as unverified.
    Unverified,
    /// It failed the account's authentication, beyond the hourly limit for such requests; not
    /// stored.
    OverUnverifiedLimit,
    /// The account reached its hourly limit.
    OverHourlyLimit,
    TooLarge,
    /// The body ended early.
    Incomplete,
    /// The body took too long.
    TooSlow,
}
enum_words!(RejectionCause);

impl RejectionCause {
    pub fn title(self) -> &'static str {
        match self {
            Self::UnknownAccount => "No such account",
            Self::WrongToken => "Wrong token",
            Self::WrongReportToken => "Wrong report token",
            Self::WrongVerifyToken => "Wrong verify token",
            Self::Unverified => "Failed authentication",
            Self::OverUnverifiedLimit => "Failed authentication, not kept",
            Self::OverHourlyLimit => "Over the hourly limit",
            Self::TooLarge => "Too large",
            Self::Incomplete => "Ended early",
            Self::TooSlow => "Too slow",
        }
    }

    fn position(self) -> usize {
        self as usize
    }
}

/// A URL of ours, without what a caller can choose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RejectedUrl {
    Callback,
    Report,
}

/// One rejected request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejection {
    pub at: DateTime<Utc>,
    pub cause: RejectionCause,
    /// The client's IP address; behind a proxy that is not in `trusted_proxies`, that of the proxy.
    pub remote: Option<String>,
    pub url: RejectedUrl,
    /// Present if the URL names an account that was ever configured.
    pub account: Option<AccountId>,
}

impl Rejection {
    /// The path, with the token masked.
    pub fn path(&self) -> String {
        match (self.url, &self.account) {
            (RejectedUrl::Callback, Some(account)) => format!("/callbacks/{account}/…"),
            (RejectedUrl::Callback, None) => "/callbacks/…/…".to_owned(),
            (RejectedUrl::Report, _) => "/reports/…".to_owned(),
        }
    }
}

/// The rejections of this process since it started.
#[derive(Debug)]
pub struct Rejections {
    counts: [AtomicU64; RejectionCause::ALL.len()],
    /// The newest last.
    latest: Mutex<VecDeque<Rejection>>,
}

impl Default for Rejections {
    fn default() -> Self {
        Self {
            counts: [const { AtomicU64::new(0) }; RejectionCause::ALL.len()],
            latest: Mutex::default(),
        }
    }
}

impl Rejections {
    pub fn record(&self, rejection: Rejection) {
        if let Some(count) = self.counts.get(rejection.cause.position()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.len() == MAX_KEPT {
            latest.pop_front();
        }
        latest.push_back(rejection);
    }

    /// By cause.
    pub fn counts(&self) -> Vec<(RejectionCause, u64)> {
        let counts = self
            .counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        RejectionCause::ALL.into_iter().zip(counts).collect()
    }

    /// Newest first.
    pub fn latest(&self, limit: usize) -> Vec<Rejection> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.iter().rev().take(limit).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(cause: RejectionCause, number: i64) -> Rejection {
        Rejection {
            at: DateTime::from_timestamp(number, 0).unwrap(),
            cause,
            remote: None,
            url: RejectedUrl::Callback,
            account: None,
        }
    }

    #[test]
    fn the_latest_thousand_are_kept_and_all_are_counted() {
        let rejections = Rejections::default();
        for number in 0..1_500 {
            rejections.record(rejection(RejectionCause::WrongToken, number));
        }
        rejections.record(rejection(RejectionCause::TooSlow, 1_500));
        let latest = rejections.latest(usize::MAX);
        assert_eq!(latest.len(), MAX_KEPT);
        assert_eq!(latest[0].cause, RejectionCause::TooSlow);
        assert_eq!(latest[999].at.timestamp(), 501);
        for (cause, count) in rejections.counts() {
            let expected = match cause {
                RejectionCause::WrongToken => 1_500,
                RejectionCause::TooSlow => 1,
                _ => 0,
            };
            assert_eq!(count, expected, "{cause:?}");
        }
    }
}
