//! The simulator's memory: settings, counters, requests seen, replies forced, and the way from an accepted message to its queued callbacks.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::domain::provider::ProviderId;
use crate::simulator::chaos::{self, Planned};
use crate::simulator::company::{self, Call};
use crate::simulator::dice::Dice;
use crate::simulator::exchange::{Answer, ForcedReply, Form, ReceivedRequest};
use crate::simulator::fate::{self, Ending, Happening, Taken};
use crate::simulator::oracle::{Claim, Oracle, Told};
use crate::simulator::schedule::{Post, Schedule};
use crate::simulator::settings::{CallbackTargets, Settings};

/// Everything that requests share.
pub(crate) struct World {
    /// As given at the start.
    pub(crate) settings: Settings,
    /// Callbacks on their way.
    pub(crate) schedule: Arc<Schedule>,
    /// What the receiver was told.
    pub(crate) oracle: Arc<Mutex<Oracle>>,
    /// Ends those who keep silent.
    pub(crate) stopping: CancellationToken,
    targets: Mutex<CallbackTargets>,
    desks: [Mutex<Desk>; 4],
    received: Mutex<VecDeque<ReceivedRequest>>,
}

/// What is remembered per provider.
#[derive(Default)]
struct Desk {
    requests: u64,
    accepted: u64,
    forced: VecDeque<ForcedReply>,
    endings: VecDeque<Ending>,
}

impl World {
    /// A world in which nothing has happened.
    pub(crate) fn new(settings: Settings) -> Result<Self, reqwest::Error> {
        let oracle = Arc::new(Mutex::new(Oracle::default()));
        Ok(Self {
            schedule: Arc::new(Schedule::new(&settings, Arc::clone(&oracle))?),
            oracle,
            stopping: CancellationToken::new(),
            targets: Mutex::new(settings.targets.clone()),
            desks: Default::default(),
            received: Mutex::default(),
            settings,
        })
    }

    /// Remembers a request, and forgets the oldest.
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

    /// The requests remembered, oldest first.
    pub(crate) fn received(&self) -> Vec<ReceivedRequest> {
        lock(&self.received).iter().cloned().collect()
    }

    /// Queues a forced reply.
    pub(crate) fn force(&self, provider: ProviderId, reply: ForcedReply) {
        lock(self.desk(provider)).forced.push_back(reply);
    }

    /// Takes the next forced reply, if there is one.
    pub(crate) fn claim_forced(&self, provider: ProviderId) -> Option<ForcedReply> {
        lock(self.desk(provider)).forced.pop_front()
    }

    /// Settles how the next message of a provider ends.
    pub(crate) fn force_ending(&self, provider: ProviderId, ending: Ending) {
        lock(self.desk(provider)).endings.push_back(ending);
    }

    /// Changes where callbacks go, for messages taken from now on.
    pub(crate) fn set_targets(&self, targets: CallbackTargets) {
        *lock(&self.targets) = targets;
    }

    /// Lets the company answer.
    pub(crate) fn answer(&self, request: &ReceivedRequest, form: Option<&Form>) -> Answer {
        let mut desk = lock(self.desk(request.provider));
        desk.requests += 1;
        let answer = company::of(request.provider).answer(&Call {
            settings: &self.settings,
            request,
            form,
            ordinal: desk.requests,
            accepted: desk.accepted,
            now: self.settings.clock.now(),
        });
        if answer.taken.is_some() {
            desk.accepted += 1;
        }
        answer
    }

    /// Queues the callbacks of an accepted message; returns those that must be posted before the reply.
    pub(crate) fn take(&self, message: &Taken, told: Told) -> Vec<Post> {
        lock(&self.oracle).record_message(message, told);
        let ending = lock(self.desk(message.provider)).endings.pop_front();
        let mut settings = self.settings.clone();
        settings.ending = ending.or(settings.ending);
        let story = fate::tell(message, &settings);
        let planned = chaos::disturb(&settings.chaos, settings.seed, message, story);
        let mut first = Vec::new();
        for (index, callback) in planned.iter().enumerate() {
            let Some(post) = self.write(message, callback, index) else {
                continue;
            };
            for copy in 0..callback.copies {
                if callback.before_reply && copy == 0 {
                    first.push(post.clone());
                } else {
                    // Copies follow each other closely, as the retries of a hasty provider do.
                    let late =
                        std::time::Duration::from_millis(150) * u32::try_from(copy).unwrap_or(0);
                    self.schedule.add(post.clone(), callback.after + late);
                }
            }
        }
        first
    }

    /// Puts a planned callback into the company's dialect; nothing if it has nowhere to go.
    fn write(&self, message: &Taken, callback: &Planned, index: usize) -> Option<Post> {
        let company = company::of(message.provider);
        let mut dice = Dice::new(
            self.settings.seed,
            message.provider.as_str(),
            message.ordinal,
            &format!("callback/{index}"),
        );
        let first = callback.events.first()?;
        let inbound = first.happening == Happening::Answered;
        let target = lock(&self.targets).find(message.provider).cloned();
        let (url, extra) = match (message.provider, inbound) {
            (ProviderId::Zixflow, false) => (message.report_url.clone()?, Vec::new()),
            _ => target.map(|target| (target.url, target.headers))?,
        };
        let mut dialect = if inbound {
            let at = first.at.unwrap_or(message.at);
            company.inbound(&self.settings, message, at, &mut dice)
        } else {
            company.report(&self.settings, message, &callback.events, &mut dice)
        };
        if callback.corrupt {
            chaos::spoil(&mut dialect.body);
        }
        let mut headers = vec![("content-type".to_owned(), dialect.content_type.to_owned())];
        headers.extend(extra);
        Some(Post {
            provider: message.provider,
            url,
            headers,
            body: dialect.body,
            claims: claims(message, callback),
            tries: 0,
            unclear: false,
        })
    }

    fn desk(&self, provider: ProviderId) -> &Mutex<Desk> {
        &self.desks[provider as usize]
    }
}

/// What a callback tells of its message: nothing if its body is spoilt.
fn claims(message: &Taken, callback: &Planned) -> Vec<Claim> {
    if callback.corrupt {
        return Vec::new();
    }
    callback
        .events
        .iter()
        .filter(|event| event.happening != Happening::Answered)
        .map(|event| Claim {
            provider: message.provider,
            ordinal: message.ordinal,
            happening: event.happening,
        })
        .collect()
}

/// Locks a mutex; a panic elsewhere does not make the rest unusable.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
