//! Erases one customer: messages, callbacks, rows, files; then searches for what is left.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::sleep;

use crate::db;
use crate::domain::audit_action::{Action, Verb};
use crate::domain::ids::{CallbackId, MessageId};
use crate::journal::spool;
use crate::operating::actions::Decision;
use crate::operating::backup::list_backup_folders;
use crate::operating::erasure::callback_selection::{
    CallbackSelection, READ_BYTES, READ_ROWS, names_customer,
};
use crate::operating::erasure::erasure_error::ErasureError;
use crate::operating::erasure::file_search::find_files_with;
use crate::operating::erasure::identities::{Identities, find_identities};
use crate::operating::erasure::identity_matcher::IdentityMatcher;
use crate::receiving::reconcile::ReconcileStep;
use crate::sending::campaign::recipient_key;
use crate::services::Services;
use crate::store::erasure_sweep::SWEPT;

/// Messages erased in one transaction.
const BATCH: u64 = 50;
/// Pauses while another process has received callbacks left to process.
const PAUSES_LIMIT: u32 = 300;
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ErasureReport {
    /// Messages whose personal data was removed.
    pub messages: u64,
    /// Callbacks that were deleted.
    pub callbacks: u64,
    /// Rows of others that named the customer.
    pub other_rows: u64,
    /// Numbers that the customer had before; others may have them now.
    pub former_numbers: usize,
    /// Backups made before: they still hold the data.
    pub earlier_backups: Vec<PathBuf>,
    /// Files in the data folder that still hold an id.
    pub remaining: Vec<PathBuf>,
}

/// `text` is a phone number, a `wa_id` or a user id. An interrupted erasure is completed by another.
pub async fn erase(
    services: &Services,
    text: &str,
    decision: &Decision<'_>,
) -> Result<ErasureReport, ErasureError> {
    // Refuses what is no number before the wait; callbacks that wait may link further ids.
    find_identities(&services.store, text).await?;
    let position = catch_up(services).await?;
    let identities = find_identities(&services.store, text).await?;
    let submitting = services.store.count_submitting(&identities.all).await?;
    if submitting > 0 {
        return Err(ErasureError::Submitting(submitting));
    }
    let erasure = Erasure {
        services,
        matcher: IdentityMatcher::new(&identities),
        identities,
        decision,
    };
    erasure.run(position).await
}

/// Waits until everything that was received is processed; returns the position.
async fn catch_up(services: &Services) -> Result<i64, ErasureError> {
    if services.store.is_rebuilding().await? {
        return Err(ErasureError::Rebuilding);
    }
    let folder = &services.config.data_dir;
    for _ in 0..PAUSES_LIMIT {
        let is_spooled = spool::holds_records(folder).map_err(ErasureError::at(folder))?;
        let position = services.store.position().await?;
        if !is_spooled && services.journal.end().await? <= position {
            return Ok(position);
        }
        let step = services.reconciler.step().await?;
        if is_spooled || step == ReconcileStep::LeaseHeldElsewhere {
            sleep(PAUSE).await;
        }
    }
    Err(ErasureError::Unprocessed)
}

struct Erasure<'a> {
    services: &'a Services,
    identities: Identities,
    matcher: IdentityMatcher,
    decision: &'a Decision<'a>,
}

impl Erasure<'_> {
    async fn run(&self, position: i64) -> Result<ErasureReport, ErasureError> {
        let (mut messages, reporting) = self.erase_messages().await?;
        let callbacks = self
            .erase_callbacks(position, &messages, &reporting)
            .await?;
        let other_rows = self.erase_rows().await?;
        // Those that were accepted, or queued by a campaign, since the first time.
        messages.extend(self.erase_messages().await?.0);
        // Claimed by a worker meanwhile: the erasure is repeated after their outcome.
        let store = &self.services.store;
        let submitting = store.count_submitting(&self.identities.all).await?;
        if submitting > 0 {
            return Err(ErasureError::Submitting(submitting));
        }
        self.services.reconciler.forget_known_links();
        self.services.uploads.remove_of(&messages);
        let folder = &self.services.config.data_dir;
        spool::erase_records(folder, &|record| names_customer(&self.matcher, record))
            .map_err(ErasureError::at(folder))?;
        let messages = messages.len() as u64;
        self.record(messages, callbacks).await?;
        self.services.store.compact().await?;
        self.services.journal.compact().await?;
        let earlier_backups = self.list_earlier_backups();
        // Reads every file, beside callbacks that arrive.
        let (matcher, data, except) = (
            self.matcher.clone(),
            folder.clone(),
            earlier_backups.clone(),
        );
        let search = tokio::task::spawn_blocking(move || find_files_with(&matcher, &data, &except));
        let remaining = search
            .await
            .map_err(|error| ErasureError::at(folder)(io::Error::other(error)))??;
        Ok(ErasureReport {
            messages,
            callbacks,
            other_rows,
            former_numbers: self.identities.former,
            remaining,
            earlier_backups,
        })
    }

    /// Returns the messages, and the callbacks that reported on them.
    async fn erase_messages(
        &self,
    ) -> Result<(BTreeSet<MessageId>, BTreeSet<CallbackId>), db::Error> {
        let (mut erased, mut callbacks) = (BTreeSet::new(), BTreeSet::new());
        let store = &self.services.store;
        let mut after = None;
        loop {
            let batch = store
                .list_messages_to(&self.identities.all, after, BATCH)
                .await?;
            let Some(last) = batch.last() else {
                return Ok((erased, callbacks));
            };
            after = Some(*last);
            let actions: Vec<Action> = batch.iter().map(|id| self.action_on(*id)).collect();
            callbacks.extend(
                store
                    .erase_messages(&batch, &actions, self.decision.now)
                    .await?,
            );
            erased.extend(batch);
        }
    }

    /// Deletes processed callbacks that reported on these messages or name the customer.
    async fn erase_callbacks(
        &self,
        position: i64,
        messages: &BTreeSet<MessageId>,
        reporting: &BTreeSet<CallbackId>,
    ) -> Result<u64, db::Error> {
        let Services { store, journal, .. } = self.services;
        let selection = CallbackSelection {
            matcher: &self.matcher,
            messages,
            reporting,
        };
        let (mut after, mut deleted) = (0, 0);
        while after < position {
            let entries = journal.read_after(after, READ_ROWS, READ_BYTES).await?;
            let Some(last) = entries.last() else { break };
            after = last.seq;
            let found: Vec<CallbackId> = entries
                .iter()
                .filter(|entry| entry.seq <= position && selection.includes(&entry.record))
                .map(|entry| entry.record.id)
                .collect();
            // Without the outcome first, an interruption would leave callbacks that cannot be found.
            store.forget_callbacks(&found).await?;
            deleted += journal.delete(&found).await?;
        }
        Ok(deleted)
    }

    async fn erase_rows(&self) -> Result<u64, db::Error> {
        let store = &self.services.store;
        let keys: Vec<String> = self.identities.phones().map(recipient_key).collect();
        store
            .erase_customer_rows(&self.identities.all, &keys)
            .await?;
        let names_customer = |bytes: &[u8]| self.matcher.matches(bytes);
        let mut changed = 0;
        for table in SWEPT {
            changed += store
                .sweep_table(table, &names_customer, self.decision.now)
                .await?;
        }
        Ok(changed)
    }

    /// In the timeline of the message.
    fn action_on(&self, message: MessageId) -> Action {
        Action {
            message: Some(message),
            ..Action::new(self.decision.actor, Verb::ErasePerson, self.decision.now)
        }
    }

    /// Without personal data: nothing shows whose data it was.
    async fn record(&self, messages: u64, callbacks: u64) -> Result<(), db::Error> {
        let detail = format!("messages: {messages}, callbacks: {callbacks}");
        let action = Action {
            detail: Some(detail),
            ..Action::new(self.decision.actor, Verb::ErasePerson, self.decision.now)
        };
        self.services.store.record_action(&action).await
    }

    /// A folder that cannot be listed is none of our backups.
    fn list_earlier_backups(&self) -> Vec<PathBuf> {
        let folders = self.services.config.backup_folders();
        let mut folders: Vec<PathBuf> = folders
            .iter()
            .flat_map(|folder| list_backup_folders(folder).unwrap_or_default())
            .collect();
        folders.sort();
        folders.dedup();
        folders
    }
}
