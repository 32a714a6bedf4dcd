//! The least that makes a callback safe: check its origin, take out secrets, append it to the journal. Never parses.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::db::Error;
use crate::domain::callback_record::{Authenticity, CallbackRecord, Route};
use crate::domain::ids::{AccountId, CallbackId};
use crate::domain::provider_account::CallbackAuth;
use crate::domain::secret::Secret;
use crate::journal::{Journal, Room};
use crate::providers::authenticity;
use crate::receiving::known_accounts::{KnownAccount, KnownAccounts};
use crate::receiving::limits::Traffic;
use crate::receiving::redaction::Redaction;
use crate::receiving::response_counts::Responses;

/// Unverified callbacks kept per account and hour; whoever found a leaked address shall not fill the disk.
const UNVERIFIED_PER_HOUR: u32 = 1_000;
/// Bytes of unverified bodies kept per account and hour.
const UNVERIFIED_BYTES_PER_HOUR: usize = 64 * 1024 * 1024;

/// One request as it came, its token found good.
#[derive(Debug)]
pub struct RawRequest {
    /// The account account address was called.
    pub account: AccountId,
    /// By which address.
    pub route: Route,
    /// The token that the address held.
    pub token: Secret,
    /// HTTP method.
    pub method: String,
    /// The query string without `?`.
    pub query: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The peer's address.
    pub remote: Option<String>,
    /// The body as it came over the wire.
    pub body: Vec<u8>,
}

impl RawRequest {
    /// Bytes that keeping it takes, as far as it tells.
    fn size(&self) -> usize {
        let headers = self.headers.iter();
        let heads: usize = headers.map(|(name, value)| name.len() + value.len()).sum();
        self.body.len() + self.query.len() + heads
    }
}

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received {
    /// Durable, and to be applied.
    Kept(CallbackId),
    /// Durable, but it did not prove its origin.
    Unverified(CallbackId),
    /// It did not prove its origin, and this hour has enough of those: counted only.
    OverBudget,
    /// Its account took so much this hour that the disk is in danger: counted only.
    OverCeiling,
}

/// How often what happened since the start of the process.
#[derive(Debug, Default)]
pub struct IngestCounters {
    /// Callbacks made durable and verified.
    pub kept: AtomicU64,
    /// Callbacks made durable but unverified.
    pub unverified: AtomicU64,
    /// Unverified callbacks beyond the hour's budget, not kept.
    pub over_budget: AtomicU64,
    /// Callbacks of accounts that took too much in an hour, not kept.
    pub over_ceiling: AtomicU64,
    /// GET or HEAD without query and body.
    pub probes: AtomicU64,
    /// Handshakes answered with their challenge.
    pub handshakes: AtomicU64,
    /// Requests with an unknown account, a wrong token, or a wrong handshake.
    pub refused: AtomicU64,
    /// Bodies over the limit.
    pub too_large: AtomicU64,
    /// Bodies that took too long or broke off.
    pub incomplete: AtomicU64,
    /// Callbacks that could not be made durable.
    pub failed: AtomicU64,
}

impl IngestCounters {
    /// Every count with the word that `/metrics` uses for it.
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

/// Takes callbacks in.
#[derive(Debug)]
pub struct Ingest {
    journal: Journal,
    unverified: Mutex<HashMap<AccountId, Hour>>,
    counters: IngestCounters,
    responses: Responses,
    traffic: Traffic,
}

/// What an account has used of one hour's budget.
#[derive(Clone, Copy, Debug, Default)]
struct Hour {
    number: i64,
    callbacks: u32,
    bytes: usize,
}

impl Ingest {
    /// Ingest into a journal, of these accounts, as much as their traffic may be.
    pub fn new(journal: Journal, accounts: &KnownAccounts, traffic: Traffic) -> Self {
        Self {
            journal,
            unverified: Mutex::default(),
            counters: IngestCounters::default(),
            responses: Responses::new(accounts),
            traffic,
        }
    }

    /// The journal behind it.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// What was counted so far.
    pub fn counters(&self) -> &IngestCounters {
        &self.counters
    }

    /// How requests were answered.
    pub fn responses(&self) -> &Responses {
        &self.responses
    }

    /// How much each account takes.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Makes a request durable. `known` is absent for a signed report address of an account that nobody remembers.
    ///
    /// An error means that it may not be durable, and that the caller must not acknowledge it.
    pub async fn receive(
        &self,
        request: RawRequest,
        known: Option<&KnownAccount>,
        room: Room,
        now: DateTime<Utc>,
    ) -> Result<Received, Error> {
        let authenticity = authenticity_of(&request, known);
        let verified = authenticity == Authenticity::Verified;
        if !verified && !self.within_budget(&request, now) {
            count(&self.counters.over_budget);
            return Ok(Received::OverBudget);
        }
        if !self.traffic.admit(&request.account, request.size(), now) {
            count(&self.counters.over_ceiling);
            return Ok(Received::OverCeiling);
        }
        let record = record(request, known, authenticity, now);
        let id = record.id;
        if let Err(error) = self.journal.append(record, room).await {
            count(&self.counters.failed);
            return Err(error);
        }
        if verified {
            count(&self.counters.kept);
            Ok(Received::Kept(id))
        } else {
            count(&self.counters.unverified);
            Ok(Received::Unverified(id))
        }
    }

    fn within_budget(&self, request: &RawRequest, now: DateTime<Utc>) -> bool {
        let number = now.timestamp().div_euclid(3600);
        let mut accounts = self
            .unverified
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let hour = accounts.entry(request.account.clone()).or_default();
        if hour.number != number {
            *hour = Hour {
                number,
                ..Hour::default()
            };
        }
        let bytes = hour.bytes.saturating_add(request.body.len());
        if hour.callbacks >= UNVERIFIED_PER_HOUR || bytes > UNVERIFIED_BYTES_PER_HOUR {
            return false;
        }
        hour.callbacks += 1;
        hour.bytes = bytes;
        true
    }
}

/// Adds one to a counter.
pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// A signed report address is proof enough: providers call it as they were told, and add nothing of the account's own.
fn authenticity_of(request: &RawRequest, known: Option<&KnownAccount>) -> Authenticity {
    let Some(known) = known else {
        return Authenticity::Verified;
    };
    if let Route::Report(_) = request.route {
        return Authenticity::Verified;
    }
    match authenticity::check(&known.callback_auth, &request.headers, &request.body) {
        Ok(()) => Authenticity::Verified,
        Err(refusal) => Authenticity::Unverified {
            reason: refusal.to_string(),
        },
    }
}

fn record(
    request: RawRequest,
    known: Option<&KnownAccount>,
    authenticity: Authenticity,
    now: DateTime<Utc>,
) -> CallbackRecord {
    let nothing = CallbackAuth::default();
    let (auth, secrets) = known.map_or((&nothing, [].as_slice()), |known| {
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
