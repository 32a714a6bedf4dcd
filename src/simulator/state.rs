//! State of the simulator: counters, received requests, forced replies; and the step from an
//! accepted message to its queued callbacks.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::domain::provider::ProviderId;
use crate::simulator::callback_queue::{CallbackQueue, QueuedCallback};
use crate::simulator::event_plan::{self, AcceptedMessage, EventKind};
use crate::simulator::exchange::{ApiReply, ForcedReply, MultipartForm, ReceivedRequest};
use crate::simulator::faults::{self, PlannedCallback};
use crate::simulator::oracle::{Oracle, ReplyResult, ReportedStatus};
use crate::simulator::rate_limit::RateLimit;
use crate::simulator::seeded_rng::SeededRng;
use crate::simulator::settings::{CallbackTargets, PlannedOutcome, Settings};
use crate::simulator::simulated_provider::ApiCall;
use crate::simulator::simulated_providers;

/// Pause between two copies of a callback.
const COPY_PAUSE: Duration = Duration::from_millis(150);

/// Shared by all requests.
pub(crate) struct SimulatorState {
    pub(crate) settings: Settings,
    pub(crate) queue: Arc<CallbackQueue>,
    pub(crate) oracle: Arc<Mutex<Oracle>>,
    /// Also ends requests that are held without a reply.
    pub(crate) stopping: CancellationToken,
    targets: Mutex<CallbackTargets>,
    providers: [Mutex<ProviderState>; 4],
    received: Mutex<VecDeque<ReceivedRequest>>,
}

#[derive(Default)]
struct ProviderState {
    requests: u64,
    accepted: u64,
    forced_replies: VecDeque<ForcedReply>,
    /// The reply to every request without a forced reply.
    outage: Option<ForcedReply>,
    rate_limit: Option<RateLimit>,
    forced_outcomes: VecDeque<PlannedOutcome>,
}

impl SimulatorState {
    pub(crate) fn new(settings: Settings) -> Result<Self, reqwest::Error> {
        let oracle = Arc::new(Mutex::new(Oracle::default()));
        Ok(Self {
            queue: Arc::new(CallbackQueue::new(&settings, Arc::clone(&oracle))?),
            oracle,
            stopping: CancellationToken::new(),
            targets: Mutex::new(settings.targets.clone()),
            providers: Default::default(),
            received: Mutex::default(),
            settings,
        })
    }

    /// Keeps the latest requests only.
    pub(crate) fn record_request(&self, request: &ReceivedRequest) {
        let limit = self.settings.remembered_requests;
        if limit == 0 {
            return;
        }
        let mut received = lock(&self.received);
        if received.len() == limit {
            received.pop_front();
        }
        received.push_back(request.clone());
    }

    pub(crate) fn received(&self) -> Vec<ReceivedRequest> {
        lock(&self.received).iter().cloned().collect()
    }

    pub(crate) fn force(&self, provider: ProviderId, reply: ForcedReply) {
        lock(self.provider_state(provider))
            .forced_replies
            .push_back(reply);
    }

    pub(crate) fn claim_forced(&self, provider: ProviderId) -> Option<ForcedReply> {
        let mut state = lock(self.provider_state(provider));
        let forced = state.forced_replies.pop_front();
        let forced = forced.or_else(|| state.outage.clone());
        forced.or_else(|| state.rate_limit.as_mut()?.check(self.settings.clock.now()))
    }

    pub(crate) fn accepted(&self, provider: ProviderId) -> usize {
        usize::try_from(lock(self.provider_state(provider)).accepted).unwrap_or(usize::MAX)
    }

    pub(crate) fn set_outage(&self, provider: ProviderId, reply: Option<ForcedReply>) {
        lock(self.provider_state(provider)).outage = reply;
    }

    pub(crate) fn set_rate_limit(&self, provider: ProviderId, limit: Option<RateLimit>) {
        lock(self.provider_state(provider)).rate_limit = limit;
    }

    pub(crate) fn force_outcome(&self, provider: ProviderId, outcome: PlannedOutcome) {
        lock(self.provider_state(provider))
            .forced_outcomes
            .push_back(outcome);
    }

    pub(crate) fn set_targets(&self, targets: CallbackTargets) {
        *lock(&self.targets) = targets;
    }

    pub(crate) fn reply_to(
        &self,
        request: &ReceivedRequest,
        form: Option<&MultipartForm>,
    ) -> ApiReply {
        let mut state = lock(self.provider_state(request.provider));
        state.requests += 1;
        let reply = simulated_providers::get(request.provider).reply(&ApiCall {
            settings: &self.settings,
            request,
            form,
            ordinal: state.requests,
            accepted: state.accepted,
            now: self.settings.clock.now(),
        });
        if reply.accepted.is_some() {
            state.accepted += 1;
        }
        reply
    }

    /// Queues the callbacks of an accepted message. Returns those that must be posted before the
    /// reply.
    pub(crate) fn queue_callbacks(
        &self,
        message: &AcceptedMessage,
        reply: ReplyResult,
    ) -> Vec<QueuedCallback> {
        lock(&self.oracle).record_message(message, reply);
        let outcome = lock(self.provider_state(message.provider))
            .forced_outcomes
            .pop_front();
        let mut settings = self.settings.clone();
        settings.outcome = outcome.or(settings.outcome);
        let plan = event_plan::plan_events(message, &settings);
        let planned = faults::apply_faults(&settings.faults, settings.seed, message, plan);
        let mut before_reply = Vec::new();
        for (index, callback) in planned.iter().enumerate() {
            let Some(post) = self.render(message, callback, index) else {
                continue;
            };
            for copy in 0..callback.copies {
                if callback.before_reply && copy == 0 {
                    before_reply.push(post.clone());
                } else {
                    let copy = u32::try_from(copy).unwrap_or_default();
                    let after = callback.after + COPY_PAUSE * copy;
                    self.queue.add(post.clone(), after);
                }
            }
        }
        before_reply
    }

    /// Renders a planned callback in the provider's format; `None` without a target.
    fn render(
        &self,
        message: &AcceptedMessage,
        callback: &PlannedCallback,
        index: usize,
    ) -> Option<QueuedCallback> {
        let provider = simulated_providers::get(message.provider);
        let mut rng = SeededRng::new(
            self.settings.seed,
            message.provider.as_str(),
            message.ordinal,
            &format!("callback/{index}"),
        );
        let first = callback.events.first()?;
        let inbound = first.kind == EventKind::CustomerReply;
        let target = lock(&self.targets).find(message.provider).cloned();
        let (url, extra) = match (message.provider, inbound) {
            (ProviderId::Zixflow, false) => (message.report_url.clone()?, Vec::new()),
            _ => target.map(|target| (target.url, target.headers))?,
        };
        let mut body = if inbound {
            let at = first.at.unwrap_or(message.at);
            provider.inbound(&self.settings, message, at, &mut rng)
        } else {
            provider.report(&self.settings, message, &callback.events, &mut rng)
        };
        if callback.corrupt {
            faults::corrupt_body(&mut body.body);
        }
        let mut headers = vec![("content-type".to_owned(), body.content_type.to_owned())];
        headers.extend(extra);
        Some(QueuedCallback {
            provider: message.provider,
            url,
            headers,
            body: body.body,
            reported: reported(message, callback),
            attempts: 0,
            unclear: false,
        })
    }

    fn provider_state(&self, provider: ProviderId) -> &Mutex<ProviderState> {
        &self.providers[provider as usize]
    }
}

/// The statuses that a callback reports; empty if its body is corrupted.
fn reported(message: &AcceptedMessage, callback: &PlannedCallback) -> Vec<ReportedStatus> {
    if callback.corrupt {
        return Vec::new();
    }
    callback
        .events
        .iter()
        .filter(|event| event.kind != EventKind::CustomerReply)
        .map(|event| ReportedStatus {
            provider: message.provider,
            ordinal: message.ordinal,
            kind: event.kind,
        })
        .collect()
}

/// Locks a mutex, even after a panic in another thread.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
