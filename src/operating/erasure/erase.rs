//! Erases the data of one customer: messages, callbacks, rows, files. Then searches for remaining
//! data.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;

use crate::db;
use crate::domain::audit_action::{Action, ActionKind};
use crate::domain::campaign::CampaignId;
use crate::domain::erased_name;
use crate::domain::ids::{CallbackId, MessageId};
use crate::journal::spool;
use crate::operating::action_context::ActionContext;
use crate::operating::backup::list_backup_folders;
use crate::operating::erasure::callback_selection::{
    CallbackSelection, READ_BYTES, READ_ROWS, names_customer,
};
use crate::operating::erasure::erasure_error::ErasureError;
use crate::operating::erasure::file_search::{SearchedFolder, find_files_with};
use crate::operating::erasure::identities::{Identities, find_identities};
use crate::operating::erasure::identity_matcher::IdentityMatcher;
use crate::receiving::reconcile::ReconcileStep;
use crate::sending::campaign::CampaignRows;
use crate::services::Services;
use crate::store::erasure_sweep::{SWEPT, Sweep};

/// Messages erased in one transaction.
const BATCH: u64 = 50;
/// How often, and how long each time, to wait while another process processes callbacks.
const MAX_PAUSES: u32 = 300;
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ErasureReport {
    /// Messages whose personal data was removed.
    pub messages: u64,
    /// Callbacks that were deleted.
    pub callbacks: u64,
    /// Changed rows of other tables that named the customer.
    pub other_rows: u64,
    /// Numbers that the customer had before; others may have them now.
    pub former_numbers: usize,
    /// Backups made before: they still hold the data.
    pub earlier_backups: Vec<PathBuf>,
    /// Files in the data folder that still hold an id.
    pub remaining: Vec<PathBuf>,
}

/// The stage of an erasure, and how many rows it has processed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ErasureProgress {
    pub stage: &'static str,
    pub done: u64,
}

/// `text` is a phone number, a `wa_id` or a user id. Repeating an interrupted erasure completes it.
pub async fn erase(
    services: &Services,
    text: &str,
    context: &ActionContext<'_>,
    progress: &mut (dyn FnMut(ErasureProgress) + Send),
) -> Result<ErasureReport, ErasureError> {
    // Read before the wait to reject an invalid number, and after it because callbacks that are
    // processed meanwhile may link further ids.
    find_identities(&services.store, text).await?;
    let position = catch_up(services).await?;
    let identities = find_identities(&services.store, text).await?;
    let submitting = services.store.count_submitting(&identities.all).await?;
    if submitting > 0 {
        return Err(ErasureError::Submitting(submitting));
    }
    let matcher = IdentityMatcher::new(&identities);
    for campaign in services.store.list_unfinished_campaigns().await? {
        let in_texts = campaign
            .texts()
            .any(|text| matcher.matches(text.as_bytes()));
        if in_texts || id_names_customer(&matcher, &campaign.id) {
            return Err(ErasureError::UnfinishedCampaign(campaign.id));
        }
    }
    let mut erasure = Erasure {
        services,
        identities,
        matcher,
        context,
        progress,
    };
    erasure.run(position).await
}

/// Finds more than in texts: also an id directly beside other letters or digits, because a
/// campaign's id has no separators but `-`.
fn id_names_customer(matcher: &IdentityMatcher, id: &CampaignId) -> bool {
    let bytes = id.as_str().as_bytes();
    matcher.matches(bytes) || matcher.is_stored_in(bytes)
}

/// Waits until all received callbacks are processed; returns the reconcile position.
async fn catch_up(services: &Services) -> Result<i64, ErasureError> {
    if services.store.is_rebuilding().await? {
        return Err(ErasureError::Rebuilding);
    }
    let folder = &services.config.data_dir;
    for _ in 0..MAX_PAUSES {
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
    context: &'a ActionContext<'a>,
    progress: &'a mut (dyn FnMut(ErasureProgress) + Send),
}

impl Erasure<'_> {
    /// **Invariant:** data by which other data of the customer is found is erased after that:
    /// campaigns' rows before messages, callbacks before the messages that they report on,
    /// everything before the links between the ids. So repeating an interrupted erasure completes
    /// it.
    async fn run(&mut self, position: i64) -> Result<ErasureReport, ErasureError> {
        self.begin_stage("rows of campaigns");
        let mut other_rows = self.campaign_rows().erase_waiting().await?;
        let (messages, reporting) = self.cancel_messages().await?;
        let callbacks = self
            .erase_callbacks(position, &messages, &reporting)
            .await?;
        self.erase_spooled()?;
        let mut erased = self.erase_messages().await?;
        other_rows += self.erase_rows().await?;
        // Messages that were accepted, or queued by a campaign, since the first pass.
        erased += self.erase_messages().await?;
        // A worker has claimed some meanwhile: the operator must repeat the erasure once they have
        // an outcome.
        let store = &self.services.store;
        let submitting = store.count_submitting(&self.identities.all).await?;
        if submitting > 0 {
            return Err(ErasureError::Submitting(submitting));
        }
        self.begin_stage("links between ids");
        self.finish(erased, callbacks).await?;
        self.begin_stage("free pages of the databases");
        self.services.store.compact().await?;
        self.services.journal.compact().await?;
        self.begin_stage("search of the files");
        let earlier_backups = self.list_earlier_backups();
        let remaining = self.search_files(&earlier_backups).await?;
        Ok(ErasureReport {
            messages: erased,
            callbacks,
            other_rows,
            former_numbers: self.identities.former_numbers,
            remaining,
            earlier_backups,
        })
    }

    fn begin_stage(&mut self, stage: &'static str) {
        self.report(stage, 0);
    }

    fn report(&mut self, stage: &'static str, done: u64) {
        (self.progress)(ErasureProgress { stage, done });
    }

    fn campaign_rows(&self) -> CampaignRows<'_, impl Fn(&[u8]) -> bool + Sync> {
        let matcher = &self.matcher;
        CampaignRows {
            store: &self.services.store,
            keys: &self.services.keys,
            names_customer: |text: &[u8]| matcher.matches(text),
            now: self.context.now,
        }
    }

    /// Cancels queued messages, so that none is submitted during the erasure. Returns all messages
    /// to the customer, and the callbacks that reported on them.
    async fn cancel_messages(
        &mut self,
    ) -> Result<(BTreeSet<MessageId>, BTreeSet<CallbackId>), db::Error> {
        let (mut messages, mut callbacks) = (BTreeSet::new(), BTreeSet::new());
        let store = &self.services.store;
        let mut after = None;
        loop {
            self.report("messages", messages.len() as u64);
            let batch = store
                .list_messages_to(&self.identities.all, after, BATCH)
                .await?;
            let Some(last) = batch.last() else {
                return Ok((messages, callbacks));
            };
            after = Some(*last);
            store.cancel_queued(&batch, self.context.now).await?;
            callbacks.extend(store.list_reporting_callbacks(&batch).await?);
            messages.extend(batch);
        }
    }

    /// Returns the number of erased messages.
    async fn erase_messages(&mut self) -> Result<u64, db::Error> {
        let Services {
            store,
            keys,
            uploads,
            ..
        } = self.services;
        let (mut after, mut erased) = (None, 0);
        loop {
            self.report("messages", erased);
            let batch = store
                .list_messages_to(&self.identities.all, after, BATCH)
                .await?;
            let Some(last) = batch.last() else {
                return Ok(erased);
            };
            after = Some(*last);
            store.cancel_queued(&batch, self.context.now).await?;
            self.campaign_rows().hash_references(&batch).await?;
            uploads.remove_files(&batch.iter().copied().collect());
            let actions: Vec<Action> = batch.iter().map(|id| self.action_on(*id)).collect();
            let hash = |parts: &[&str]| keys.erased_name(parts);
            let now = self.context.now;
            erased += store
                .erase_messages(&batch, &actions, &hash, now)
                .await?
                .len() as u64;
        }
    }

    /// Erases records in spool files that are kept for inspection.
    fn erase_spooled(&mut self) -> Result<(), ErasureError> {
        self.begin_stage("spooled callbacks");
        let (folder, matcher) = (&self.services.config.data_dir, &self.matcher);
        spool::erase_records(folder, &|record| names_customer(matcher, record))
            .map_err(ErasureError::at(folder))?;
        Ok(())
    }

    /// Deletes processed callbacks that reported on these messages or name the customer.
    async fn erase_callbacks(
        &mut self,
        position: i64,
        messages: &BTreeSet<MessageId>,
        reporting: &BTreeSet<CallbackId>,
    ) -> Result<u64, db::Error> {
        let Services { store, journal, .. } = self.services;
        let (mut after, mut deleted) = (0, 0);
        while after < position {
            self.report("callbacks", deleted);
            let selection = CallbackSelection {
                matcher: &self.matcher,
                messages,
                reporting,
            };
            let entries = journal.read_after(after, READ_ROWS, READ_BYTES).await?;
            let Some(last) = entries.last() else { break };
            after = last.seq;
            let found: Vec<CallbackId> = entries
                .iter()
                .filter(|entry| entry.seq <= position && selection.includes(&entry.record))
                .map(|entry| entry.record.id)
                .collect();
            // The outcome first: an interruption must not leave an outcome without its callback.
            store.forget_callbacks(&found).await?;
            deleted += journal.delete(&found).await?;
        }
        Ok(deleted)
    }

    async fn erase_rows(&mut self) -> Result<u64, db::Error> {
        self.begin_stage("24-hour windows and recipient holds");
        let Services { store, keys, .. } = self.services;
        self.campaign_rows()
            .hash_numbers(self.identities.phones())
            .await?;
        store.erase_customer_rows(&self.identities.all).await?;
        let mut changed = self.change_campaign_ids().await?;
        for table in SWEPT {
            self.report(table.name, changed);
            let matcher = &self.matcher;
            let sweep = Sweep {
                names_customer: &|bytes| matcher.matches(bytes),
                hash: &|parts| keys.erased_name(parts),
            };
            changed += store.sweep_table(table, sweep, self.context.now).await?;
        }
        Ok(changed)
    }

    /// Renames ended campaigns whose ids name the customer; their messages and counts follow.
    async fn change_campaign_ids(&mut self) -> Result<u64, db::Error> {
        self.begin_stage("names of campaigns");
        let Services { store, keys, .. } = self.services;
        let mut renamed = 0;
        for id in store.list_ended_campaigns().await? {
            if id_names_customer(&self.matcher, &id)
                && let Some(new) =
                    CampaignId::from_name(&keys.erased_name(&erased_name::campaign_id_parts(&id)))
            {
                store.change_campaign_id(&id, &new).await?;
                renamed += 1;
            }
        }
        Ok(renamed)
    }

    /// The entry in the timeline of an erased message.
    fn action_on(&self, message: MessageId) -> Action {
        Action {
            message: Some(message),
            ..Action::new(
                self.context.actor,
                ActionKind::ErasePerson,
                self.context.now,
            )
        }
    }

    /// Removes the links between the ids. The entry in the audit log has no personal data: nothing
    /// shows whose data it was.
    async fn finish(&self, messages: u64, callbacks: u64) -> Result<(), db::Error> {
        let detail = format!("messages: {messages}, callbacks: {callbacks}");
        let action = Action {
            detail: Some(detail),
            ..Action::new(
                self.context.actor,
                ActionKind::ErasePerson,
                self.context.now,
            )
        };
        let Services {
            store, reconciler, ..
        } = self.services;
        store.end_erasure(&self.identities.all, &action).await?;
        reconciler.forget_known_links();
        Ok(())
    }

    /// Reads every file in a thread of its own, while callbacks are received.
    async fn search_files(&self, excluded: &[PathBuf]) -> Result<Vec<PathBuf>, ErasureError> {
        let Services {
            store,
            journal,
            config,
            ..
        } = self.services;
        let folder = config.data_dir.clone();
        let databases = [store.file(), journal.file()];
        let searched = SearchedFolder {
            folder: folder.clone(),
            excluded: excluded.to_vec(),
            databases: databases
                .into_iter()
                .flatten()
                .map(Path::to_owned)
                .collect(),
        };
        let matcher = self.matcher.clone();
        let search = tokio::task::spawn_blocking(move || find_files_with(&matcher, &searched));
        search
            .await
            .map_err(|error| ErasureError::at(folder)(io::Error::other(error)))?
    }

    /// A folder that cannot be listed counts as one without backups.
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
