//! Which message a provider's id belongs to, and what happens when two messages claim one.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use uuid::Uuid;

use crate::db::{Error, instant, statements};
use crate::domain::ids::{AccountId, MessageId, ProviderMessageId};
use crate::domain::message::{MatchedBy, Origin, PROVIDER_IDS_LIMIT};
use crate::store::entities::provider_id_row::IdSource;
use crate::store::entities::{merged_message_row, message_row, provider_id_row, receipt_row};
use crate::store::ledger::message_ledger::Ledger;

/// Where an id was learned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LearnedFrom {
    /// The provider's reply to our call.
    Reply,
    /// A callback, received then. Its own time, so that reading it again learns the same.
    Callback(DateTime<Utc>),
    /// The caller registered it.
    Registration,
}

impl LearnedFrom {
    /// `at` is when it was learned.
    pub(super) fn new(source: IdSource, at: DateTime<Utc>) -> Self {
        match source {
            IdSource::Reply => Self::Reply,
            IdSource::Callback => Self::Callback(at),
            IdSource::Registration => Self::Registration,
        }
    }

    pub(super) fn source(self) -> IdSource {
        match self {
            Self::Reply => IdSource::Reply,
            Self::Callback(_) => IdSource::Callback,
            Self::Registration => IdSource::Registration,
        }
    }

    pub(super) fn is_callback(self) -> bool {
        matches!(self, Self::Callback(_))
    }

    pub(super) fn instant(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Reply | Self::Registration => now,
            Self::Callback(received_at) => received_at,
        }
    }
}

/// What became of an id that a message was told to hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BindOutcome {
    /// The message holds it now, or held it already.
    Held,
    /// It belonged to a message known only from callbacks, which lives on in this one.
    Merged(MessageId),
    /// Another sent message holds it; nothing was re-pointed.
    Conflict(MessageId),
    /// The message holds as many ids as it may.
    Full,
}

impl Ledger {
    /// Binds an id (looked up before by [`Ledger::load_holders`]) to a loaded message.
    pub async fn bind(
        &mut self,
        message: MessageId,
        account: &AccountId,
        id: &ProviderMessageId,
        learned_from: LearnedFrom,
    ) -> Result<BindOutcome, Error> {
        let message = message.uuid();
        let bound = match self
            .holders
            .get(&(account.clone(), id.clone()))
            .copied()
            .flatten()
        {
            Some(holder) if holder == message => BindOutcome::Held,
            Some(holder) => {
                self.contend(message, holder, account, id, learned_from)
                    .await?
            }
            None => return self.hold(message, account, id, learned_from).await,
        };
        if matches!(bound, BindOutcome::Held | BindOutcome::Merged(_)) {
            self.confirm(message, account, id, learned_from).await?;
        }
        Ok(bound)
    }

    /// Marks a held id as learned from the reply or the registration too, so that a rebuild keeps it.
    /// A match by recipient whose id the reply names is certain, and a rebuild finds it by that id.
    async fn confirm(
        &mut self,
        message: Uuid,
        account: &AccountId,
        id: &ProviderMessageId,
        learned_from: LearnedFrom,
    ) -> Result<(), Error> {
        if learned_from.is_callback() {
            return Ok(());
        }
        self.write_bindings().await?;
        provider_id_row::Entity::update_many()
            .col_expr(
                provider_id_row::Column::LearnedFrom,
                learned_from.source().into(),
            )
            .filter(provider_id_row::Column::Account.eq(account))
            .filter(provider_id_row::Column::ProviderId.eq(id.as_str()))
            .filter(provider_id_row::Column::LearnedFrom.ne(IdSource::Reply))
            .exec(&self.transaction)
            .await?;
        let current = self.current(message.into());
        let entry = self.entry(current)?;
        entry.renamed = true;
        entry.touched = true;
        if learned_from == LearnedFrom::Reply && entry.row.matched_by == Some(MatchedBy::Recipient)
        {
            entry.row.matched_by = None;
        }
        Ok(())
    }

    async fn hold(
        &mut self,
        message: Uuid,
        account: &AccountId,
        id: &ProviderMessageId,
        learned_from: LearnedFrom,
    ) -> Result<BindOutcome, Error> {
        if self.count_ids(message).await? >= PROVIDER_IDS_LIMIT {
            return Ok(BindOutcome::Full);
        }
        *self.id_counts.entry(message).or_default() += 1;
        self.bindings.push(provider_id_row::Model {
            account: account.clone(),
            provider_id: id.as_str().to_owned(),
            message,
            learned_from: learned_from.source(),
            learned_at: instant::write(learned_from.instant(self.now)),
        });
        self.holders
            .insert((account.clone(), id.clone()), Some(message));
        let entry = self.entry(message.into())?;
        entry.renamed = true;
        entry.touched = true;
        Ok(BindOutcome::Held)
    }

    /// How many ids a message holds. The first question is answered for every loaded message of its account at once: a batch asks of most of them.
    async fn count_ids(&mut self, message: Uuid) -> Result<usize, Error> {
        if let Some(number) = self.id_counts.get(&message) {
            return Ok(*number);
        }
        let account = self.row(message.into()).map(|row| &row.account);
        let asked: HashSet<Uuid> = self
            .entries
            .iter()
            .filter(|(_, entry)| Some(&entry.row.account) == account)
            .map(|(id, _)| *id)
            .filter(|id| !self.id_counts.contains_key(id))
            .chain([message])
            .collect();
        self.id_counts.extend(asked.iter().map(|id| (*id, 0)));
        let by_message = provider_id_row::Column::Message;
        let ids: Vec<Uuid> = asked.iter().copied().collect();
        let stored =
            statements::find_by::<provider_id_row::Entity>(&self.transaction, by_message, &ids)
                .await?;
        // Those that wait to be written are no rows yet.
        let waiting = self
            .bindings
            .iter()
            .filter(|binding| asked.contains(&binding.message));
        for binding in stored.iter().chain(waiting) {
            *self.id_counts.entry(binding.message).or_default() += 1;
        }
        Ok(self.id_counts.get(&message).copied().unwrap_or_default())
    }

    /// Two messages claim one id: the one known only from callbacks gives way; two sent ones keep their truth and show the conflict.
    async fn contend(
        &mut self,
        message: Uuid,
        holder: Uuid,
        account: &AccountId,
        id: &ProviderMessageId,
        learned_from: LearnedFrom,
    ) -> Result<BindOutcome, Error> {
        self.load(&[message.into(), holder.into()]).await?;
        let sent = |origin: Option<Origin>| origin.is_some_and(Origin::is_ours);
        match (
            sent(self.origin(message.into())),
            sent(self.origin(holder.into())),
        ) {
            (true, true) => {
                self.note_claim(message, holder, (account, id), learned_from)
                    .await?;
                Ok(BindOutcome::Conflict(holder.into()))
            }
            (message_sent, holder_sent) => {
                let message_stays = match (message_sent, holder_sent) {
                    (true, _) => true,
                    (_, true) => false,
                    // Neither was sent by us: the one that is listed stays, else the older.
                    _ => {
                        (self.is_provisional(message), message)
                            < (self.is_provisional(holder), holder)
                    }
                };
                let (gone, survivor) = if message_stays {
                    (holder, message)
                } else {
                    (message, holder)
                };
                self.merge(gone, survivor).await?;
                Ok(BindOutcome::Merged(gone.into()))
            }
        }
    }

    fn is_provisional(&self, id: Uuid) -> bool {
        self.origin(id.into()) == Some(Origin::Orphan)
    }

    /// Merges one loaded message into another by a person's decision.
    pub async fn merge_into(&mut self, gone: MessageId, survivor: MessageId) -> Result<(), Error> {
        self.merge(gone.uuid(), survivor.uuid()).await
    }

    /// Moves everything of `gone` to `survivor`; `gone`'s id answers with the survivor's from now on.
    pub(crate) async fn merge(&mut self, gone: Uuid, survivor: Uuid) -> Result<(), Error> {
        self.write_bindings().await?;
        let transaction = &self.transaction;
        receipt_row::Entity::update_many()
            .col_expr(receipt_row::Column::Message, survivor.into())
            .filter(receipt_row::Column::Message.eq(gone))
            .exec(transaction)
            .await?;
        provider_id_row::Entity::update_many()
            .col_expr(provider_id_row::Column::Message, survivor.into())
            .filter(provider_id_row::Column::Message.eq(gone))
            .exec(transaction)
            .await?;
        merged_message_row::Entity::update_many()
            .col_expr(merged_message_row::Column::Survivor, survivor.into())
            .filter(merged_message_row::Column::Survivor.eq(gone))
            .exec(transaction)
            .await?;
        let record = merged_message_row::Model {
            id: gone,
            survivor,
            merged_at: instant::write(self.now),
        };
        let again = OnConflict::column(merged_message_row::Column::Id)
            .update_columns([
                merged_message_row::Column::Survivor,
                merged_message_row::Column::MergedAt,
            ])
            .to_owned();
        merged_message_row::Entity::insert(record.into_active_model())
            .on_conflict(again)
            .exec_without_returning(transaction)
            .await?;
        message_row::Entity::delete_by_id(gone)
            .exec(transaction)
            .await?;
        // The survivor's ids are counted anew when it is told another.
        self.absent.insert(gone);
        self.id_counts.remove(&gone);
        self.id_counts.remove(&survivor);
        for holder in self
            .holders
            .values_mut()
            .filter(|holder| **holder == Some(gone))
        {
            *holder = Some(survivor);
        }
        let Some(given) = self.entries.remove(&gone) else {
            return Ok(());
        };
        self.merges.push((gone, survivor));
        self.count_removal(given.before.as_ref()).await?;
        self.note_removed(gone, given.before.as_ref());
        let entry = self.entry(survivor.into())?;
        entry.added.extend(given.added);
        entry.touched = true;
        entry.renamed = true;
        let (row, given) = (&mut entry.row, given.row);
        if row.recipient.is_none() {
            row.recipient = given.recipient;
            row.recipient_reversed = given.recipient_reversed;
        }
        Ok(())
    }
}

/// The id a message is called by, from all it has: a wamid, else the send reply's, else whatever came first. A function of the set, so that the order of learning cannot change it.
pub(crate) fn chief_id(ids: &[provider_id_row::Model]) -> Option<String> {
    let rank = |row: &provider_id_row::Model| {
        if row.provider_id.starts_with("wamid.") {
            0
        } else if row.learned_from == IdSource::Reply {
            1
        } else {
            2
        }
    };
    ids.iter()
        .min_by_key(|row| (rank(row), row.learned_at, &row.provider_id))
        .map(|row| row.provider_id.clone())
}
