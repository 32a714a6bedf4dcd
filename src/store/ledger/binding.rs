//! Which message a provider's id belongs to, and what happens when two messages claim one.

use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use uuid::Uuid;

use crate::domain::ids::{AccountId, MessageId, ProviderMessageId};
use crate::domain::message::{Origin, PROVIDER_IDS_LIMIT};
use crate::store::entities::{id_conflicts, merged_messages, messages, provider_ids, receipts};
use crate::store::ledger::Ledger;
use crate::store::{Error, instant};

/// Where an id was learned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LearnedFrom {
    /// The provider's reply to our call.
    Reply,
    /// A callback.
    Callback,
    /// The caller registered it.
    Registration,
}

impl LearnedFrom {
    /// The word used in the database.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::Callback => "callback",
            Self::Registration => "registration",
        }
    }
}

/// What became of an id that a message was told to hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
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
    ) -> Result<Bound, Error> {
        let message = message.uuid();
        match self
            .holders
            .get(&(account.clone(), id.clone()))
            .copied()
            .flatten()
        {
            Some(holder) if holder == message => Ok(Bound::Held),
            Some(holder) => self.settle(message, holder, account, id).await,
            None => self.hold(message, account, id, learned_from).await,
        }
    }

    async fn hold(
        &mut self,
        message: Uuid,
        account: &AccountId,
        id: &ProviderMessageId,
        learned_from: LearnedFrom,
    ) -> Result<Bound, Error> {
        let stored = provider_ids::Entity::find()
            .filter(provider_ids::Column::Message.eq(message))
            .all(&self.transaction)
            .await?
            .len();
        let pending = self
            .bindings
            .iter()
            .filter(|binding| binding.message == message)
            .count();
        if stored + pending >= PROVIDER_IDS_LIMIT {
            return Ok(Bound::Full);
        }
        self.bindings.push(provider_ids::Model {
            account: account.to_string(),
            provider_id: id.as_str().to_owned(),
            message,
            learned_from: learned_from.as_str().to_owned(),
            learned_at: instant::write(self.now),
        });
        self.holders
            .insert((account.clone(), id.clone()), Some(message));
        self.edit(message.into(), |row| name_by(row, id, learned_from))?;
        Ok(Bound::Held)
    }

    /// Two messages claim one id: the one known only from callbacks gives way; two sent ones keep their truth and show the conflict.
    async fn settle(
        &mut self,
        message: Uuid,
        holder: Uuid,
        account: &AccountId,
        id: &ProviderMessageId,
    ) -> Result<Bound, Error> {
        self.load(&[message.into(), holder.into()]).await?;
        let sent = |origin: Option<Origin>| matches!(origin, Some(Origin::Api | Origin::DryRun));
        match (
            sent(self.origin(message.into())),
            sent(self.origin(holder.into())),
        ) {
            (true, true) => {
                self.conflicts.push(id_conflicts::Model {
                    account: account.to_string(),
                    provider_id: id.as_str().to_owned(),
                    message: holder,
                    claimant: message,
                    seen_at: instant::write(self.now),
                });
                Ok(Bound::Conflict(holder.into()))
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
                Ok(Bound::Merged(gone.into()))
            }
        }
    }

    fn is_provisional(&self, id: Uuid) -> bool {
        self.origin(id.into()) == Some(Origin::Provisional)
    }

    /// Merges one loaded message into another by a person's decision.
    pub async fn merge_into(&mut self, gone: MessageId, survivor: MessageId) -> Result<(), Error> {
        self.merge(gone.uuid(), survivor.uuid()).await
    }

    /// Moves everything of `gone` to `survivor`; `gone`'s id answers with the survivor's from now on.
    pub(crate) async fn merge(&mut self, gone: Uuid, survivor: Uuid) -> Result<(), Error> {
        self.write_bindings().await?;
        let transaction = &self.transaction;
        receipts::Entity::update_many()
            .col_expr(receipts::Column::Message, survivor.into())
            .filter(receipts::Column::Message.eq(gone))
            .exec(transaction)
            .await?;
        provider_ids::Entity::update_many()
            .col_expr(provider_ids::Column::Message, survivor.into())
            .filter(provider_ids::Column::Message.eq(gone))
            .exec(transaction)
            .await?;
        merged_messages::Entity::update_many()
            .col_expr(merged_messages::Column::Survivor, survivor.into())
            .filter(merged_messages::Column::Survivor.eq(gone))
            .exec(transaction)
            .await?;
        let record = merged_messages::Model {
            id: gone,
            survivor,
            merged_at: instant::write(self.now),
        };
        record.into_active_model().insert(transaction).await?;
        messages::Entity::delete_by_id(gone)
            .exec(transaction)
            .await?;
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
        let entry = self.entry(survivor.into())?;
        entry.added.extend(given.added);
        entry.touched = true;
        let (row, given) = (&mut entry.row, given.row);
        if row
            .provider_id
            .as_deref()
            .is_none_or(|id| !id.starts_with("wamid."))
            && given.provider_id.is_some()
        {
            row.provider_id = given.provider_id;
        }
        if row.recipient.is_none() {
            row.recipient = given.recipient;
            row.recipient_reversed = given.recipient_reversed;
        }
        Ok(())
    }
}

/// The wamid if any is known, else the send reply's id, else whatever came first.
fn name_by(row: &mut messages::Model, id: &ProviderMessageId, learned_from: LearnedFrom) {
    let has_wamid = row
        .provider_id
        .as_deref()
        .is_some_and(|known| known.starts_with("wamid."));
    let better = row.provider_id.is_none() || learned_from == LearnedFrom::Reply || id.is_wamid();
    if !has_wamid && better {
        row.provider_id = Some(id.as_str().to_owned());
    }
}
