//! Stores accepted messages in groups: a message joins the next transaction if it is queued before
//! that transaction has begun. A group has one commit, like callbacks in the journal; every caller
//! gets its own result.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::db::Error;
use crate::db::connect_options::MAIN_BUSY_TIMEOUT;
use crate::domain::audit_action::Action;
use crate::domain::ids::MessageId;
use crate::domain::message::MessageDraft;
use crate::domain::message_warning::MessageWarning;
use crate::store::Store;
use crate::store::ledger::Ledger;
use crate::store::message_acceptance::{Acceptance, Accepted, IdempotencyKey};

/// Messages of one transaction. On SQLite the reconciler and the dispatcher wait for it.
const GROUP_SIZE: usize = 256;
/// When the queue is full, further callers wait.
const QUEUE_LENGTH: usize = 2 * GROUP_SIZE;
/// A transaction gets at least this long to begin, even if the deadline of its oldest message has
/// passed: a short wait for other writers must not fail it.
const MIN_BEGIN_TIMEOUT: Duration = Duration::from_millis(100);

/// A validated message that waits to be stored.
#[derive(Clone, Debug)]
pub(super) struct WaitingMessage {
    pub(super) id: MessageId,
    pub(super) draft: MessageDraft,
    pub(super) key: Option<IdempotencyKey>,
    pub(super) action: Option<Action>,
    pub(super) max_queue_time: TimeDelta,
    pub(super) silence_limit: TimeDelta,
    pub(super) warnings: Vec<MessageWarning>,
    pub(super) now: DateTime<Utc>,
}

#[derive(Debug)]
struct QueuedMessage {
    message: WaitingMessage,
    queued_at: Instant,
    reply: oneshot::Sender<Result<Accepted, Error>>,
}

/// Clones share one writer.
#[derive(Clone, Debug)]
pub(super) struct AcceptanceWriter {
    queue: mpsc::Sender<QueuedMessage>,
    stop: CancellationToken,
    tasks: Arc<TaskTracker>,
}

impl AcceptanceWriter {
    /// Starts the writing task; it ends with [`AcceptanceWriter::close`].
    pub(super) fn start(store: Store) -> Self {
        let (queue, queued) = mpsc::channel(QUEUE_LENGTH);
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        tasks.spawn(run(store, queued, stop.clone()));
        tasks.close();
        Self {
            queue,
            stop,
            tasks: Arc::new(tasks),
        }
    }

    /// Stores a message together with others, even if the caller stops waiting.
    pub(super) async fn store(&self, message: WaitingMessage) -> Result<Accepted, Error> {
        let (reply, stored) = oneshot::channel();
        let queued = QueuedMessage {
            message,
            queued_at: Instant::now(),
            reply,
        };
        match timeout(MAIN_BUSY_TIMEOUT, self.queue.send(queued)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(Error::Stopped("writer of messages")),
            Err(_) => return Err(Error::TooSlow),
        }
        stored
            .await
            .unwrap_or(Err(Error::Stopped("writer of messages")))
    }

    /// Stores what is queued and accepts nothing more.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

async fn run(store: Store, mut queue: mpsc::Receiver<QueuedMessage>, stop: CancellationToken) {
    let mut group = Vec::new();
    loop {
        // Messages that were queued in time are still in the group after others have failed as too
        // slow.
        if group.is_empty() {
            tokio::select! {
                biased;
                () = stop.cancelled(), if !queue.is_closed() => {
                    queue.close();
                    continue;
                }
                first = queue.recv() => {
                    let Some(first) = first else { return };
                    group.push(first);
                }
            }
        }
        match begin(&store, &group).await {
            Ok(ledger) => {
                // Messages that were queued while the transaction began share it.
                fill(&mut group, &mut queue);
                write(&store, ledger, std::mem::take(&mut group)).await;
            }
            Err(error) => {
                fill(&mut group, &mut queue);
                let has_failed = |queued: &mut QueuedMessage| match error {
                    Error::TooSlow => queued.deadline() <= Instant::now(),
                    _ => true,
                };
                let failed = group.extract_if(.., has_failed).collect();
                reject(failed, &error);
            }
        }
    }
}

fn fill(group: &mut Vec<QueuedMessage>, queue: &mut mpsc::Receiver<QueuedMessage>) {
    while group.len() < GROUP_SIZE
        && let Ok(next) = queue.try_recv()
    {
        group.push(next);
    }
}

async fn begin(store: &Store, group: &[QueuedMessage]) -> Result<Ledger, Error> {
    let now = Instant::now();
    let first = group.iter().min_by_key(|queued| queued.queued_at);
    let Some(first) = first else {
        return Err(Error::Stopped("writer of messages"));
    };
    let deadline = first.deadline().max(now + MIN_BEGIN_TIMEOUT);
    store.begin_accepting(first.message.now, deadline).await
}

/// A group that the database rejects is halved until the rejected message is alone.
async fn write(store: &Store, ledger: Ledger, group: Vec<QueuedMessage>) {
    let mut begun = Some(ledger);
    let mut pending = vec![group];
    while let Some(mut group) = pending.pop() {
        let ledger = match begun.take() {
            Some(ledger) => Ok(ledger),
            None => begin(store, &group).await,
        };
        let stored = match ledger {
            Ok(ledger) => store_group(store, ledger, &group).await,
            Err(error) => Err(error),
        };
        match stored {
            Ok(results) => {
                for (queued, result) in group.into_iter().zip(results) {
                    // The caller may have stopped waiting.
                    drop(queued.reply.send(result));
                }
            }
            Err(error) if group.len() > 1 && error.is_data_error() => {
                let second = group.split_off(group.len() / 2);
                pending.extend([second, group]);
            }
            Err(error) => reject(group, &error),
        }
    }
}

fn reject(group: Vec<QueuedMessage>, error: &Error) {
    for queued in group {
        drop(queued.reply.send(Err(error.shared("writer of messages"))));
    }
}

async fn store_group(
    store: &Store,
    ledger: Ledger,
    group: &[QueuedMessage],
) -> Result<Vec<Result<Accepted, Error>>, Error> {
    let acceptances: Vec<_> = group
        .iter()
        .map(|queued| (queued.message.acceptance(), queued.message.now))
        .collect();
    store.accept_all(ledger, &acceptances).await
}

impl QueuedMessage {
    /// The latest time at which its transaction may begin.
    fn deadline(&self) -> Instant {
        self.queued_at + MAIN_BUSY_TIMEOUT
    }
}

impl WaitingMessage {
    fn acceptance(&self) -> Acceptance<'_> {
        Acceptance {
            id: self.id,
            draft: &self.draft,
            key: self.key.as_ref(),
            action: self.action.as_ref(),
            max_queue_time: self.max_queue_time,
            silence_limit: self.silence_limit,
            warnings: &self.warnings,
        }
    }
}
