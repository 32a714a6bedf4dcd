//! Stores accepted messages in groups: what waits while a transaction is written goes into the next
//! one. A group has one commit, as callbacks have in the journal, and every caller its own result.

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
use crate::store::message_acceptance::{Acceptance, Accepted, IdempotencyKey};

/// Messages of one transaction. On SQLite the reconciler and the dispatcher wait for it.
const GROUP_SIZE: usize = 256;
/// More callers wait for a place.
const QUEUE_LENGTH: usize = 2 * GROUP_SIZE;
/// Time to begin for callers whose own is over, so that a short wait of others is not their failure.
const LEAST_TIME: Duration = Duration::from_millis(100);

/// A validated message that waits to be stored.
#[derive(Clone, Debug)]
pub(super) struct WaitingMessage {
    pub(super) id: MessageId,
    pub(super) draft: MessageDraft,
    pub(super) key: Option<IdempotencyKey>,
    pub(super) action: Option<Action>,
    pub(super) send_before: TimeDelta,
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

    /// Stores a message with others. If the caller stops waiting, it is stored nevertheless.
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
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled(), if !queue.is_closed() => queue.close(),
            first = queue.recv() => {
                let Some(first) = first else { return };
                let mut group = vec![first];
                while group.len() < GROUP_SIZE
                    && let Ok(next) = queue.try_recv()
                {
                    group.push(next);
                }
                write(&store, group).await;
            }
        }
    }
}

/// A group that the database rejects is halved until the rejected message is alone.
async fn write(store: &Store, group: Vec<QueuedMessage>) {
    let mut pending = vec![group];
    while let Some(mut group) = pending.pop() {
        match store_group(store, &group).await {
            Ok(results) => {
                for (queued, result) in group.into_iter().zip(results) {
                    // A caller may be gone.
                    drop(queued.reply.send(result));
                }
            }
            Err(error) if group.len() > 1 && error.is_about_content() => {
                let second = group.split_off(group.len() / 2);
                pending.extend([second, group]);
            }
            Err(error) => {
                for queued in group {
                    drop(queued.reply.send(Err(error.shared("writer of messages"))));
                }
            }
        }
    }
}

async fn store_group(
    store: &Store,
    group: &[QueuedMessage],
) -> Result<Vec<Result<Accepted, Error>>, Error> {
    let acceptances: Vec<_> = group
        .iter()
        .map(|queued| (queued.message.acceptance(), queued.message.now))
        .collect();
    let now = Instant::now();
    let oldest = group.iter().map(|queued| queued.queued_at).min();
    let deadline = oldest.unwrap_or(now) + MAIN_BUSY_TIMEOUT;
    store
        .accept_all(&acceptances, deadline.max(now + LEAST_TIME))
        .await
}

impl WaitingMessage {
    fn acceptance(&self) -> Acceptance<'_> {
        Acceptance {
            id: self.id,
            draft: &self.draft,
            key: self.key.as_ref(),
            action: self.action.as_ref(),
            send_before: self.send_before,
            silence_limit: self.silence_limit,
            warnings: &self.warnings,
        }
    }
}
