//! Binds provider ids to messages. An id belongs to one message of its account.

use std::collections::HashSet;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use crate::db::{Error, instant, statements};
use crate::domain::ids::{AccountId, MessageId, ProviderMessageId};
use crate::domain::message::{MatchedBy, Origin, PROVIDER_IDS_LIMIT};
use crate::store::entities::provider_id_row::{self, IdSource};
use crate::store::ledger::learned_from::LearnedFrom;
use crate::store::ledger::message_ledger::Ledger;

/// The result of binding an id to a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BindOutcome {
    /// The message holds it now, or held it already.
    Held,
    /// An orphan or observed message held it; that one was merged with this one.
    Merged(MessageId),
    /// Another sent message holds it and keeps it.
    Conflict(MessageId),
    /// The message holds the maximum number of ids.
    Full,
    /// Callbacks carry it for several messages, so it identifies none.
    Constant,
}

impl Ledger {
    /// Binds an id that [`Ledger::load_holders`] looked up to a loaded message.
    pub async fn bind(
        &mut self,
        message: MessageId,
        account: &AccountId,
        id: &ProviderMessageId,
        learned_from: LearnedFrom,
    ) -> Result<BindOutcome, Error> {
        if self.is_constant(account, id) {
            return Ok(BindOutcome::Constant);
        }
        let outcome = match self.holder(account, id) {
            Some(holder) if holder == message => BindOutcome::Held,
            Some(holder) => {
                self.resolve_conflict(message, holder, account, id, learned_from)
                    .await?
            }
            None => {
                return self
                    .bind_unheld(message.uuid(), account, id, learned_from)
                    .await;
            }
        };
        if !matches!(outcome, BindOutcome::Held | BindOutcome::Merged(_)) {
            return Ok(outcome);
        }
        self.confirm(message, account, id, learned_from).await?;
        if self.mark_certain(account, id, learned_from).await?
            && self
                .make_constant_if_shared(account, id, learned_from)
                .await?
        {
            return Ok(BindOutcome::Constant);
        }
        Ok(outcome)
    }

    /// Changes the source of an id that was first learned from a callback: an id from a reply or a
    /// registration must survive a rebuild. A match by recipient whose id the reply names is
    /// certain, and a rebuild finds it by that id.
    async fn confirm(
        &mut self,
        message: MessageId,
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
            .col_expr(provider_id_row::Column::Certain, true.into())
            .filter(provider_id_row::Column::Account.eq(account))
            .filter(provider_id_row::Column::ProviderId.eq(id.as_str()))
            .filter(provider_id_row::Column::LearnedFrom.ne(IdSource::Reply))
            .exec(&self.transaction)
            .await?;
        let current = self.current(message);
        let entry = self.entry(current)?;
        entry.mark_ids_changed();
        if learned_from == LearnedFrom::Reply && entry.row.matched_by == Some(MatchedBy::Recipient)
        {
            entry.row.matched_by = None;
        }
        Ok(())
    }

    async fn bind_unheld(
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
        if !learned_from.is_certain() {
            self.uncertain_ids.insert((account.clone(), id.clone()));
        }
        self.bindings.push(provider_id_row::Model {
            account: account.clone(),
            provider_id: id.as_str().to_owned(),
            message,
            learned_from: learned_from.source(),
            learned_at: instant::to_millis(learned_from.learned_at(self.now)),
            certain: learned_from.is_certain(),
        });
        self.set_holder(account, id, Some(message));
        self.entry(message.into())?.mark_ids_changed();
        Ok(BindOutcome::Held)
    }

    /// How many ids a message holds. The first call counts for all loaded messages of the account,
    /// because a batch binds ids to most of them.
    async fn count_ids(&mut self, message: Uuid) -> Result<usize, Error> {
        if let Some(number) = self.id_counts.get(&message) {
            return Ok(*number);
        }
        let account = self.row(message.into()).map(|row| &row.account);
        let uncounted: HashSet<Uuid> = self
            .entries
            .iter()
            .filter(|(_, entry)| Some(&entry.row.account) == account)
            .map(|(id, _)| *id)
            .filter(|id| !self.id_counts.contains_key(id))
            .chain([message])
            .collect();
        self.id_counts.extend(uncounted.iter().map(|id| (*id, 0)));
        let by_message = provider_id_row::Column::Message;
        let ids: Vec<Uuid> = uncounted.iter().copied().collect();
        let stored =
            statements::find_by::<provider_id_row::Entity>(&self.transaction, by_message, &ids)
                .await?;
        let unwritten = self
            .bindings
            .iter()
            .filter(|binding| uncounted.contains(&binding.message));
        for binding in stored.iter().chain(unwritten) {
            *self.id_counts.entry(binding.message).or_default() += 1;
        }
        Ok(self.id_counts.get(&message).copied().unwrap_or_default())
    }

    /// Decides between two messages with the same id: two sent messages are a conflict, otherwise
    /// one is merged into the other.
    async fn resolve_conflict(
        &mut self,
        message: MessageId,
        holder: MessageId,
        account: &AccountId,
        id: &ProviderMessageId,
        learned_from: LearnedFrom,
    ) -> Result<BindOutcome, Error> {
        self.load(&[message, holder]).await?;
        let is_sent = |id| self.origin(id).is_some_and(Origin::is_ours);
        let is_orphan = |id| self.origin(id) == Some(Origin::Orphan);
        let message_stays = match (is_sent(message), is_sent(holder)) {
            (true, true) => {
                self.note_claim(message.uuid(), holder.uuid(), (account, id), learned_from)
                    .await?;
                if self
                    .make_constant_if_shared(account, id, learned_from)
                    .await?
                {
                    return Ok(BindOutcome::Constant);
                }
                return Ok(BindOutcome::Conflict(holder));
            }
            (true, false) => true,
            (false, true) => false,
            // An observed message stays rather than an orphan, and the older of two equals.
            (false, false) => (is_orphan(message), message) < (is_orphan(holder), holder),
        };
        let (gone, survivor) = if message_stays {
            (holder, message)
        } else {
            (message, holder)
        };
        self.merge_into(gone, survivor).await?;
        Ok(BindOutcome::Merged(gone))
    }
}

/// The id that a message is shown with: a wamid, else the id of the send reply, else the first one
/// learned. A function of the set of ids, so the order of learning does not matter.
pub(crate) fn preferred_id(ids: &[provider_id_row::Model]) -> Option<String> {
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
