//! A limit of requests per second, like that of a provider: a token bucket that holds the tokens of
//! one second.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::simulator::exchange::ForcedReply;

#[derive(Clone, PartialEq, Debug)]
pub struct RateLimit {
    per_second: f64,
    /// Seconds in the `Retry-After` of the refusals.
    retry_after: Option<u32>,
    tokens: f64,
    filled_at: Option<DateTime<Utc>>,
}

impl RateLimit {
    pub fn new(per_second: f64, retry_after: Option<u32>) -> Self {
        Self {
            per_second,
            retry_after,
            tokens: per_second,
            filled_at: None,
        }
    }

    /// Counts a request; returns a refusal if it exceeds the limit.
    pub(crate) fn check(&mut self, now: DateTime<Utc>) -> Option<ForcedReply> {
        let elapsed = self.filled_at.map_or(0.0, |at| (now - at).as_seconds_f64());
        self.filled_at = Some(now);
        self.tokens = (self.tokens + elapsed.max(0.0) * self.per_second).min(self.per_second);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return None;
        }
        let refusal = ForcedReply::json(429, &json!({ "message": "Too Many Attempts." }));
        Some(match self.retry_after {
            Some(seconds) => refusal.with_header("retry-after", &seconds.to_string()),
            None => refusal,
        })
    }
}
