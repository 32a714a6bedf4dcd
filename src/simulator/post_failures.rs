//! The first failure to post a callback of each provider.

use std::fmt;

use reqwest::Response;
use tokio::sync::watch;

use crate::domain::provider::ProviderId;
use crate::http_client::guarded_fetch::fetch_error;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PostFailure {
    pub provider: ProviderId,
    /// Without the URL, which contains a token.
    pub reason: String,
}

impl fmt::Display for PostFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { provider, reason } = self;
        write!(out, "a callback of {provider} was not accepted: {reason}")
    }
}

#[derive(Default)]
pub(crate) struct PostFailures(watch::Sender<Vec<PostFailure>>);

impl PostFailures {
    /// Only the first failure of each provider is kept: a wrong URL fails for every callback.
    pub(crate) fn note(&self, provider: ProviderId, outcome: &Result<Response, reqwest::Error>) {
        self.0.send_if_modified(|failures| {
            if failures.iter().any(|earlier| earlier.provider == provider) {
                return false;
            }
            let reason = match outcome {
                Ok(reply) => format!("HTTP {}", reply.status()),
                Err(error) => fetch_error(error).to_string(),
            };
            failures.push(PostFailure { provider, reason });
            true
        });
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Vec<PostFailure>> {
        self.0.subscribe()
    }
}
