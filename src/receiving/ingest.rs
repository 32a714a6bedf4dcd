//! Stores a callback: checks its authenticity, redacts secrets, appends it to the journal. Never
//! parses.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::db::Error;
use crate::domain::callback_record::{Authenticity, CallbackRecord, Route};
use crate::domain::ids::{AccountId, CallbackId};
use crate::domain::provider_account::CallbackAuth;
use crate::domain::secret::Secret;
use crate::journal::{Journal, MemoryPermit};
use crate::providers::authenticity;
use crate::receiving::body_memory::BodyMemory;
use crate::receiving::ingest_counters::{IngestCounters, count};
use crate::receiving::known_accounts::{KnownAccount, KnownAccounts};
use crate::receiving::redaction::Redaction;
use crate::receiving::rejections::Rejections;
use crate::receiving::response_counts::CallbackResponseCounts;
use crate::receiving::traffic_limits::TrafficLimits;
use crate::receiving::unverified_limit::UnverifiedLimit;

/// One request as it was received, with a valid token.
#[derive(Debug)]
pub struct RawRequest {
    pub account: AccountId,
    pub route: Route,
    pub token: Secret,
    pub method: String,
    /// Without `?`.
    pub query: String,
    /// Names are in lower case.
    pub headers: Vec<(String, String)>,
    pub remote: Option<String>,
    /// Still compressed, as sent.
    pub body: Vec<u8>,
}

impl RawRequest {
    /// Bytes stored for the request.
    fn size(&self) -> usize {
        let headers = self.headers.iter();
        let header_bytes: usize = headers.map(|(name, value)| name.len() + value.len()).sum();
        self.body.len() + self.query.len() + header_bytes
    }
}

/// What ingest did with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IngestOutcome {
    /// Durable; will be applied.
    Stored(CallbackId),
    /// Durable, but it failed authentication.
    Unverified(CallbackId),
    /// It failed authentication beyond the hourly limit for such requests; not stored.
    OverUnverifiedLimit,
    /// Its account reached its hourly limit; not stored.
    OverHourlyLimit,
}

#[derive(Debug)]
pub struct Ingest {
    journal: Journal,
    unverified: UnverifiedLimit,
    counters: IngestCounters,
    responses: CallbackResponseCounts,
    rejections: Rejections,
    limits: Arc<TrafficLimits>,
    body_memory: BodyMemory,
}

impl Ingest {
    pub fn new(journal: Journal, accounts: &KnownAccounts, limits: Arc<TrafficLimits>) -> Self {
        Self {
            journal,
            unverified: UnverifiedLimit::default(),
            counters: IngestCounters::default(),
            responses: CallbackResponseCounts::new(accounts),
            rejections: Rejections::default(),
            limits,
            body_memory: BodyMemory::new(accounts),
        }
    }

    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    pub fn counters(&self) -> &IngestCounters {
        &self.counters
    }

    pub fn responses(&self) -> &CallbackResponseCounts {
        &self.responses
    }

    pub fn rejections(&self) -> &Rejections {
        &self.rejections
    }

    pub fn limits(&self) -> &TrafficLimits {
        &self.limits
    }

    pub fn body_memory(&self) -> &BodyMemory {
        &self.body_memory
    }

    /// Makes a request durable. `known` is absent for a signed report URL of an unknown account.
    ///
    /// After an error the request may not be durable: the caller must not acknowledge it.
    pub async fn receive(
        &self,
        request: RawRequest,
        known: Option<&KnownAccount>,
        memory: MemoryPermit,
        now: DateTime<Utc>,
    ) -> Result<IngestOutcome, Error> {
        let authenticity = authenticity_of(&request, known);
        let verified = authenticity == Authenticity::Verified;
        if !verified
            && !self
                .unverified
                .admit(&request.account, request.body.len(), now)
        {
            count(&self.counters.over_unverified_limit);
            return Ok(IngestOutcome::OverUnverifiedLimit);
        }
        if !self.limits.admit(&request.account, request.size(), now) {
            count(&self.counters.over_hourly_limit);
            return Ok(IngestOutcome::OverHourlyLimit);
        }
        let record = redacted_record(request, known, authenticity, now);
        let id = record.id;
        if let Err(error) = self.journal.append(record, memory).await {
            count(&self.counters.failed);
            return Err(error);
        }
        if verified {
            count(&self.counters.kept);
            Ok(IngestOutcome::Stored(id))
        } else {
            count(&self.counters.unverified);
            Ok(IngestOutcome::Unverified(id))
        }
    }
}

/// A signed report URL is sufficient: providers call it unchanged and do not add the account's own
/// authentication.
fn authenticity_of(request: &RawRequest, known: Option<&KnownAccount>) -> Authenticity {
    let Some(known) = known else {
        return Authenticity::Verified;
    };
    if let Route::Report(_) = request.route {
        return Authenticity::Verified;
    }
    match authenticity::check(&known.callback_auth, &request.headers, &request.body) {
        Ok(()) => Authenticity::Verified,
        Err(error) => Authenticity::Unverified {
            reason: error.to_string(),
        },
    }
}

fn redacted_record(
    mut request: RawRequest,
    known: Option<&KnownAccount>,
    authenticity: Authenticity,
    now: DateTime<Utc>,
) -> CallbackRecord {
    let no_auth = CallbackAuth::default();
    let (auth, secrets) = known.map_or((&no_auth, [].as_slice()), |known| {
        (&known.callback_auth, known.secrets.as_slice())
    });
    let redaction = Redaction::new(auth, secrets, &request.token);
    redaction.redact_headers(&mut request.headers);
    CallbackRecord {
        id: CallbackId::new(now),
        account: request.account,
        route: request.route,
        method: request.method,
        query: redaction.redact_query(&request.query),
        headers: request.headers,
        remote: request.remote,
        received_at: now,
        body: request.body,
        authenticity,
    }
}
