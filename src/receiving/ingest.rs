//! Stores a callback: checks its authenticity, redacts secrets, appends it to the journal. Never
//! parses.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::db::Error;
use crate::domain::callback_record::{Authenticity, CallbackRecord, Route};
use crate::domain::ids::{AccountId, CallbackId};
use crate::domain::provider_account::CallbackAuth;
use crate::domain::secret::Secret;
use crate::journal::{Journal, MemoryPermit};
use crate::providers::authenticity;
use crate::receiving::body_memory::BodyMemory;
use crate::receiving::known_accounts::{KnownAccount, KnownAccounts};
use crate::receiving::limits::TrafficLimits;
use crate::receiving::redaction::Redaction;
use crate::receiving::response_counts::CallbackResponseCounts;

/// Unverified callbacks stored per account and hour, so that callers of a leaked URL cannot fill
/// the disk.
const UNVERIFIED_PER_HOUR: u32 = 1_000;
/// Bytes of unverified bodies stored per account and hour.
const UNVERIFIED_BYTES_PER_HOUR: usize = 64 * 1024 * 1024;

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

/// Counts since the process started.
#[derive(Debug, Default)]
pub struct IngestCounters {
    /// Stored and verified.
    pub kept: AtomicU64,
    /// Stored but unverified.
    pub unverified: AtomicU64,
    /// Unverified callbacks over the hourly limit; not stored.
    pub over_budget: AtomicU64,
    /// Callbacks of accounts over their hourly limit; not stored.
    pub over_ceiling: AtomicU64,
    /// GET or HEAD without query and body.
    pub probes: AtomicU64,
    /// Subscription handshakes answered with their challenge.
    pub handshakes: AtomicU64,
    /// Requests with an unknown account, a wrong token, or a wrong handshake.
    pub refused: AtomicU64,
    pub too_large: AtomicU64,
    /// Bodies that timed out or ended early.
    pub incomplete: AtomicU64,
    /// Callbacks that could not be stored.
    pub failed: AtomicU64,
}

impl IngestCounters {
    /// Every count with its label value in `/metrics`.
    pub fn list(&self) -> [(&'static str, u64); 10] {
        [
            ("kept", &self.kept),
            ("unverified", &self.unverified),
            ("over_budget", &self.over_budget),
            ("over_ceiling", &self.over_ceiling),
            ("probe", &self.probes),
            ("handshake", &self.handshakes),
            ("refused", &self.refused),
            ("too_large", &self.too_large),
            ("incomplete", &self.incomplete),
            ("failed", &self.failed),
        ]
        .map(|(word, counter)| (word, counter.load(Ordering::Relaxed)))
    }
}

#[derive(Debug)]
pub struct Ingest {
    journal: Journal,
    unverified: Mutex<HashMap<AccountId, UnverifiedUsage>>,
    counters: IngestCounters,
    responses: CallbackResponseCounts,
    limits: TrafficLimits,
    body_memory: BodyMemory,
}

/// How much of the hourly limit for unverified callbacks an account has used.
#[derive(Clone, Copy, Debug, Default)]
struct UnverifiedUsage {
    hour: i64,
    callbacks: u32,
    bytes: usize,
}

impl Ingest {
    pub fn new(journal: Journal, accounts: &KnownAccounts, limits: TrafficLimits) -> Self {
        Self {
            journal,
            unverified: Mutex::default(),
            counters: IngestCounters::default(),
            responses: CallbackResponseCounts::new(accounts),
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
        room: MemoryPermit,
        now: DateTime<Utc>,
    ) -> Result<IngestOutcome, Error> {
        let authenticity = authenticity_of(&request, known);
        let verified = authenticity == Authenticity::Verified;
        if !verified && !self.within_unverified_limit(&request, now) {
            count(&self.counters.over_budget);
            return Ok(IngestOutcome::OverUnverifiedLimit);
        }
        if !self.limits.admit(&request.account, request.size(), now) {
            count(&self.counters.over_ceiling);
            return Ok(IngestOutcome::OverHourlyLimit);
        }
        let record = redacted_record(request, known, authenticity, now);
        let id = record.id;
        if let Err(error) = self.journal.append(record, room).await {
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

    fn within_unverified_limit(&self, request: &RawRequest, now: DateTime<Utc>) -> bool {
        let hour = now.timestamp().div_euclid(3600);
        let mut accounts = self
            .unverified
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let usage = accounts.entry(request.account.clone()).or_default();
        if usage.hour != hour {
            *usage = UnverifiedUsage {
                hour,
                ..UnverifiedUsage::default()
            };
        }
        let bytes = usage.bytes.saturating_add(request.body.len());
        if usage.callbacks >= UNVERIFIED_PER_HOUR || bytes > UNVERIFIED_BYTES_PER_HOUR {
            return false;
        }
        usage.callbacks += 1;
        usage.bytes = bytes;
        true
    }
}

pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
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
    request: RawRequest,
    known: Option<&KnownAccount>,
    authenticity: Authenticity,
    now: DateTime<Utc>,
) -> CallbackRecord {
    let no_auth = CallbackAuth::default();
    let (auth, secrets) = known.map_or((&no_auth, [].as_slice()), |known| {
        (&known.callback_auth, known.secrets.as_slice())
    });
    let redaction = Redaction::new(auth, secrets, &request.token);
    CallbackRecord {
        id: CallbackId::new(now),
        account: request.account,
        route: request.route,
        method: request.method,
        query: redaction.query(&request.query),
        headers: redaction.headers(&request.headers),
        remote: request.remote,
        received_at: now,
        body: request.body,
        authenticity,
    }
}
