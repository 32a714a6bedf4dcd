//! A write transaction: it loads messages, collects their changes, and writes these on commit.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, SubsecRound, Utc};
use sea_orm::{DatabaseTransaction, TransactionSession};
use uuid::Uuid;

use crate::db::pools::Pools;
use crate::db::{Error, statements};
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::{AccountId, MessageId, ProviderMessageId};
use crate::domain::message::{Message, Origin};
use crate::domain::receipt::Receipt;
use crate::store::entities::provider_id_row::NO_MESSAGE;
use crate::store::entities::{id_conflict_row, id_holder_row, message_row, provider_id_row};
use crate::store::ledger::ledger_entry::LedgerEntry;
use crate::store::ledger::message_change::FeedChange;

/// A write transaction. A message that does not exist, or was merged into another, is absent after
/// a load.
#[derive(Debug)]
pub struct Ledger {
    pub(super) transaction: DatabaseTransaction,
    pub(super) process: Uuid,
    /// Whether other processes read the changes from the database.
    shared: bool,
    pub(super) now: DateTime<Utc>,
    pub(super) entries: BTreeMap<Uuid, LedgerEntry>,
    /// Messages that were looked up and do not exist.
    pub(super) absent: HashSet<Uuid>,
    /// How many provider ids messages hold, as far as counted.
    pub(super) id_counts: HashMap<Uuid, usize>,
    /// The message that holds an id; `None` when it was looked up and no message does.
    pub(super) holders: HashMap<AccountId, HashMap<ProviderMessageId, Option<Uuid>>>,
    /// Looked-up ids that their holders learned from callbacks without report URL and tag.
    pub(super) uncertain_ids: HashSet<(AccountId, ProviderMessageId)>,
    /// Looked-up ids that are constant.
    pub(super) constant_ids: HashSet<(AccountId, ProviderMessageId)>,
    /// Messages whose ids became constant.
    pub(super) former_holders: Vec<MessageId>,
    /// Ids to be written.
    pub(super) bindings: Vec<provider_id_row::Model>,
    /// Claims to be written.
    pub(super) conflicts: Vec<id_conflict_row::Model>,
    /// Pairs of the removed and the surviving message, in order.
    pub(super) merges: Vec<(Uuid, Uuid)>,
    /// Changes flushed before the commit.
    pub(super) changes: Vec<FeedChange>,
    /// Deleted and merged messages, with their stored state.
    pub(super) removed: Vec<(MessageId, DeliveryState)>,
    pub(super) times: UpdateTimes,
}

/// Whether changed rows get a new `updated_at`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum UpdateTimes {
    Now,
    Kept,
}

impl Ledger {
    /// Begins a write transaction.
    pub(crate) async fn begin(
        pools: &Pools,
        process: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Self, Error> {
        Ok(Self {
            transaction: pools.begin().await?,
            process,
            shared: pools.is_shared(),
            now,
            entries: BTreeMap::new(),
            absent: HashSet::new(),
            id_counts: HashMap::new(),
            holders: HashMap::new(),
            uncertain_ids: HashSet::new(),
            constant_ids: HashSet::new(),
            former_holders: Vec::new(),
            bindings: Vec::new(),
            conflicts: Vec::new(),
            merges: Vec::new(),
            changes: Vec::new(),
            removed: Vec::new(),
            times: UpdateTimes::Now,
        })
    }

    /// The transaction, for rows of other tables that change together with the messages.
    pub(crate) fn transaction(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    pub(crate) fn process(&self) -> Uuid {
        self.process
    }

    /// Replaces the instant of the change, if it becomes known only after the transaction has
    /// begun.
    #[must_use]
    pub fn at(self, now: DateTime<Utc>) -> Self {
        Self { now, ..self }
    }

    /// The instant of this change.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Loads messages that are not loaded yet.
    pub async fn load(&mut self, ids: &[MessageId]) -> Result<(), Error> {
        let missing: Vec<Uuid> = ids
            .iter()
            .map(|id| id.uuid())
            .filter(|id| !self.entries.contains_key(id) && !self.absent.contains(id))
            .collect();
        let by_id = message_row::Column::Id;
        let rows =
            statements::find_by::<message_row::Entity>(&self.transaction, by_id, &missing).await?;
        self.absent.extend(missing);
        for row in rows {
            self.absent.remove(&row.id);
            self.entries.insert(row.id, LedgerEntry::loaded(row));
        }
        Ok(())
    }

    /// Looks up which messages hold these ids, and loads them.
    pub async fn load_holders(
        &mut self,
        ids: &[(AccountId, ProviderMessageId)],
    ) -> Result<(), Error> {
        let missing: Vec<&(AccountId, ProviderMessageId)> = ids
            .iter()
            .filter(|(account, id)| {
                let of_account = self.holders.get(account);
                !of_account.is_some_and(|ids| ids.contains_key(id))
            })
            .collect();
        let texts: Vec<&str> = missing.iter().map(|(_, id)| id.as_str()).collect();
        let by_id = id_holder_row::Column::ProviderId;
        let rows =
            statements::find_by::<id_holder_row::Entity>(&self.transaction, by_id, &texts).await?;
        let known: HashMap<(&AccountId, &str), &id_holder_row::Model> = rows
            .iter()
            .map(|row| ((&row.account, row.provider_id.as_str()), row))
            .collect();
        let mut holding = Vec::new();
        for (account, id) in missing {
            let row = known.get(&(account, id.as_str())).copied();
            if row.is_some_and(|row| row.message == NO_MESSAGE) {
                self.constant_ids.insert((account.clone(), id.clone()));
            } else if row.is_some_and(|row| !row.certain) {
                self.uncertain_ids.insert((account.clone(), id.clone()));
            }
            let holder = row
                .map(|row| row.message)
                .filter(|message| *message != NO_MESSAGE);
            holding.extend(holder.map(MessageId::from));
            self.set_holder(account, id, holder);
        }
        self.load(&holding).await
    }

    /// The message that holds an id that [`Ledger::load_holders`] looked up.
    pub fn holder(&self, account: &AccountId, id: &ProviderMessageId) -> Option<MessageId> {
        let holder = self.holders.get(account)?.get(id)?;
        holder.map(MessageId::from)
    }

    pub(super) fn set_holder(
        &mut self,
        account: &AccountId,
        id: &ProviderMessageId,
        holder: Option<Uuid>,
    ) {
        let id = id.clone();
        // `entry` would clone the account for every id.
        if let Some(of_account) = self.holders.get_mut(account) {
            of_account.insert(id, holder);
        } else {
            let of_account = HashMap::from([(id, holder)]);
            self.holders.insert(account.clone(), of_account);
        }
    }

    /// A loaded message with the result of its last fold.
    pub fn find(&self, id: MessageId) -> Result<Option<Message>, Error> {
        self.row(id).cloned().map(Message::try_from).transpose()
    }

    pub(crate) fn row(&self, id: MessageId) -> Option<&message_row::Model> {
        self.entries.get(&id.uuid()).map(|entry| &entry.row)
    }

    /// Whether a loaded message belongs to an account.
    pub fn belongs(&self, id: MessageId, account: &AccountId) -> bool {
        self.row(id).is_some_and(|row| row.account == *account)
    }

    pub fn origin(&self, id: MessageId) -> Option<Origin> {
        self.row(id).map(|row| row.origin)
    }

    /// Adds a message; the flush sets the columns of the fold.
    pub(crate) fn insert(&mut self, row: message_row::Model) {
        self.absent.remove(&row.id);
        self.id_counts.insert(row.id, 0);
        self.entries.insert(row.id, LedgerEntry::created(row));
    }

    /// Changes columns of a loaded message that the fold does not write.
    pub(crate) fn edit(
        &mut self,
        id: MessageId,
        change: impl FnOnce(&mut message_row::Model),
    ) -> Result<(), Error> {
        let entry = self.entry(id)?;
        change(&mut entry.row);
        entry.touched = true;
        Ok(())
    }

    /// Adds a receipt to a loaded message. Its instants are truncated to milliseconds, as they are
    /// stored, so that a later fold of the stored receipts has the same result.
    pub fn add(&mut self, id: MessageId, mut receipt: Receipt) -> Result<(), Error> {
        receipt.received_at = receipt.received_at.trunc_subsecs(3);
        receipt.occurred_at = receipt.occurred_at.map(|at| at.trunc_subsecs(3));
        let entry = self.entry(id)?;
        entry.new_receipts.push(receipt);
        entry.touched = true;
        Ok(())
    }

    pub(super) fn entry(&mut self, id: MessageId) -> Result<&mut LedgerEntry, Error> {
        self.entries
            .get_mut(&id.uuid())
            .ok_or(Error::UnexpectedRowCount {
                table: "messages",
                expected: 1,
                touched: 0,
            })
    }

    /// Folds, counts, writes and commits; returns the changes for the live feed.
    pub async fn commit(mut self) -> Result<Vec<FeedChange>, Error> {
        match self.flush_all().await {
            Ok(changes) => {
                self.transaction.commit().await?;
                Ok(changes)
            }
            Err(error) => {
                self.roll_back().await;
                Err(error)
            }
        }
    }

    async fn flush_all(&mut self) -> Result<Vec<FeedChange>, Error> {
        let last = self.flush().await?;
        let mut changes = std::mem::take(&mut self.changes);
        changes.extend(last);
        if self.shared {
            self.record_changes(&changes).await?;
        }
        Ok(changes)
    }

    pub async fn roll_back(self) {
        if let Err(error) = TransactionSession::rollback(self.transaction).await {
            tracing::warn!(error = %error, "a transaction could not be rolled back");
        }
    }
}
