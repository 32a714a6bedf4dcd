//! One write transaction, with the rows it touches as they were before and as they become.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, SubsecRound, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction, EntityTrait, TransactionSession};
use uuid::Uuid;

use crate::db::connection::Pools;
use crate::db::{Error, statements};
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::{AccountId, MessageId, ProviderMessageId};
use crate::domain::message::{Message, Origin};
use crate::domain::receipt::Receipt;
use crate::store::entities::{id_holder_row, merged_message_row, message_row, provider_id_row};

/// A change of one message, as the live feed tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Which message.
    pub message: MessageId,
    /// Its account.
    pub account: AccountId,
    /// Its state now.
    pub state: DeliveryState,
    /// When it changed, by our clock.
    pub updated_at: DateTime<Utc>,
}

/// One transaction's worth of changes to messages.
#[derive(Debug)]
pub struct Ledger {
    pub(super) transaction: DatabaseTransaction,
    pub(super) process: Uuid,
    pub(super) shared: SharedDatabase,
    pub(super) now: DateTime<Utc>,
    pub(super) entries: BTreeMap<Uuid, LedgerEntry>,
    /// Messages that were looked for and are not there.
    pub(super) absent: HashSet<Uuid>,
    /// How many ids messages hold, as far as that was asked.
    pub(super) id_counts: HashMap<Uuid, usize>,
    /// Which message holds an id; `None` when it was looked for and nobody does.
    pub(super) holders: HashMap<(AccountId, ProviderMessageId), Option<Uuid>>,
    pub(super) bindings: Vec<provider_id_row::Model>,
    pub(super) conflicts: Vec<crate::store::entities::id_conflict_row::Model>,
    pub(super) merges: Vec<(Uuid, Uuid)>,
    /// Of parts that were settled before the commit.
    pub(super) changes: Vec<Change>,
    /// Messages that were left without facts or merged into others, with their last state.
    pub(super) removed: Vec<(MessageId, DeliveryState)>,
    pub(super) times: UpdateTimes,
}

/// One message under change.
#[derive(Debug)]
pub(super) struct LedgerEntry {
    pub(super) before: Option<message_row::Model>,
    pub(super) row: message_row::Model,
    pub(super) added: Vec<Receipt>,
    pub(super) touched: bool,
    /// Its ids changed, so the one it is called by may.
    pub(super) renamed: bool,
    /// Facts were taken from it; known only from callbacks and left without any, it goes.
    pub(super) stripped: bool,
}

/// Whether other processes want to hear of changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SharedDatabase {
    Yes,
    No,
}

/// Whether rows that change get a new `updated_at`.
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
            shared: if pools.is_shared() {
                SharedDatabase::Yes
            } else {
                SharedDatabase::No
            },
            now,
            entries: BTreeMap::new(),
            absent: HashSet::new(),
            id_counts: HashMap::new(),
            holders: HashMap::new(),
            bindings: Vec::new(),
            conflicts: Vec::new(),
            merges: Vec::new(),
            changes: Vec::new(),
            removed: Vec::new(),
            times: UpdateTimes::Now,
        })
    }

    /// The transaction, for rows of other tables that must change together with the messages.
    pub(crate) fn transaction(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    /// The process that changes something.
    pub(crate) fn process(&self) -> Uuid {
        self.process
    }

    /// The instant of this change.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Loads messages that are not loaded yet; ids that are not there, or were merged away, are simply absent afterwards.
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
            self.entries.insert(
                row.id,
                LedgerEntry {
                    before: Some(row.clone()),
                    row,
                    added: Vec::new(),
                    touched: false,
                    renamed: false,
                    stripped: false,
                },
            );
        }
        Ok(())
    }

    /// Looks up who holds these ids and loads those messages.
    pub async fn load_holders(
        &mut self,
        ids: &[(AccountId, ProviderMessageId)],
    ) -> Result<(), Error> {
        let missing: Vec<&(AccountId, ProviderMessageId)> = ids
            .iter()
            .filter(|id| !self.holders.contains_key(*id))
            .collect();
        let texts: Vec<&str> = missing.iter().map(|(_, id)| id.as_str()).collect();
        let by_id = id_holder_row::Column::ProviderId;
        let rows =
            statements::find_by::<id_holder_row::Entity>(&self.transaction, by_id, &texts).await?;
        let known: HashMap<(&AccountId, &str), Uuid> = rows
            .iter()
            .map(|row| ((&row.account, row.provider_id.as_str()), row.message))
            .collect();
        let mut holding = Vec::new();
        for (account, id) in missing {
            let holder = known.get(&(account, id.as_str())).copied();
            holding.extend(holder.map(MessageId::from));
            self.holders.insert((account.clone(), id.clone()), holder);
        }
        self.load(&holding).await
    }

    /// The message that holds an id that [`Ledger::load_holders`] looked up.
    pub fn holder(&self, account: &AccountId, id: &ProviderMessageId) -> Option<MessageId> {
        self.holders
            .get(&(account.clone(), id.clone()))
            .copied()
            .flatten()
            .map(MessageId::from)
    }

    /// A loaded message as the last fold left it.
    pub fn find(&self, id: MessageId) -> Result<Option<Message>, Error> {
        self.entries
            .get(&id.uuid())
            .map(|entry| Message::try_from(entry.row.clone()))
            .transpose()
    }

    pub(crate) fn row(&self, id: MessageId) -> Option<&message_row::Model> {
        self.entries.get(&id.uuid()).map(|entry| &entry.row)
    }

    /// Whether a loaded message belongs to an account.
    pub fn belongs(&self, id: MessageId, account: &AccountId) -> bool {
        self.entries
            .get(&id.uuid())
            .is_some_and(|entry| entry.row.account == *account)
    }

    /// How we came to know a loaded message.
    pub fn origin(&self, id: MessageId) -> Option<Origin> {
        self.entries.get(&id.uuid()).map(|entry| entry.row.origin)
    }

    /// The message that a merged one lives on in, if it was merged.
    pub async fn survivor(&self, id: MessageId) -> Result<Option<MessageId>, Error> {
        survivor(&self.transaction, id).await
    }

    /// Adds a message; its row is complete but for what the fold says.
    pub(crate) fn insert(&mut self, row: message_row::Model) {
        self.absent.remove(&row.id);
        self.id_counts.insert(row.id, 0);
        self.entries.insert(
            row.id,
            LedgerEntry {
                before: None,
                row,
                added: Vec::new(),
                touched: true,
                renamed: false,
                stripped: false,
            },
        );
    }

    /// Changes columns of a loaded message that the fold does not own.
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

    /// Adds a fact to a loaded message, with its times as they are stored: what is folded now must be folded the same whenever it is read again.
    pub fn add(&mut self, id: MessageId, mut receipt: Receipt) -> Result<(), Error> {
        receipt.received_at = receipt.received_at.trunc_subsecs(3);
        receipt.occurred_at = receipt.occurred_at.map(|at| at.trunc_subsecs(3));
        let entry = self.entry(id)?;
        entry.added.push(receipt);
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

    /// Folds, counts, writes and commits; returns what the live feed tells.
    pub async fn commit(mut self) -> Result<Vec<Change>, Error> {
        match self.flush_and_tell().await {
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

    async fn flush_and_tell(&mut self) -> Result<Vec<Change>, Error> {
        let last = self.flush().await?;
        let mut changes = std::mem::take(&mut self.changes);
        changes.extend(last);
        if self.shared == SharedDatabase::Yes {
            self.record_changes(&changes).await?;
        }
        Ok(changes)
    }

    /// Gives everything up.
    pub async fn roll_back(self) {
        if let Err(error) = TransactionSession::rollback(self.transaction).await {
            tracing::warn!(error = %error, "a transaction could not be rolled back");
        }
    }
}

/// The message that a merged one lives on in.
pub(crate) async fn survivor(
    connection: &impl ConnectionTrait,
    id: MessageId,
) -> Result<Option<MessageId>, Error> {
    let row = merged_message_row::Entity::find_by_id(id.uuid())
        .one(connection)
        .await?;
    Ok(row.map(|row| row.survivor.into()))
}
