//! Constant ids: an id is constant if callbacks carry it for two messages, each named by report URL
//! or correlation tag. The provider then sends the same text for every message, so it identifies
//! none.
//!
//! A row of `provider_ids` without a message stores a constant id. A rebuild keeps that row, so
//! that the messages that the id joined stay separate.

use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};

use crate::db::{Error, instant};
use crate::domain::ids::{AccountId, MessageId, ProviderMessageId};
use crate::store::entities::id_conflict_row;
use crate::store::entities::provider_id_row::{self, IdSource, NO_MESSAGE};
use crate::store::ledger::learned_from::LearnedFrom;
use crate::store::ledger::message_ledger::Ledger;

impl Ledger {
    /// Whether an id that [`Ledger::load_holders`] looked up is constant.
    pub fn is_constant(&self, account: &AccountId, id: &ProviderMessageId) -> bool {
        !self.constant_ids.is_empty() && self.constant_ids.contains(&(account.clone(), id.clone()))
    }

    /// Takes the messages that held ids which turned out to be constant: reports on other messages
    /// may have been applied to them.
    pub fn take_former_holders(&mut self) -> Vec<MessageId> {
        let mut holders = std::mem::take(&mut self.former_holders);
        holders.sort();
        holders.dedup();
        holders
    }

    /// Records that a callback named the holder of an id by report URL or tag; false if that was
    /// known.
    pub(super) async fn mark_certain(
        &mut self,
        account: &AccountId,
        id: &ProviderMessageId,
        learned_from: LearnedFrom,
    ) -> Result<bool, Error> {
        if self.uncertain_ids.is_empty() || !learned_from.is_certain() {
            return Ok(false);
        }
        if !self.uncertain_ids.remove(&(account.clone(), id.clone())) {
            return Ok(false);
        }
        self.write_bindings().await?;
        provider_id_row::Entity::update_many()
            .col_expr(provider_id_row::Column::Certain, true.into())
            .filter(is_binding_of(account, id))
            .exec(&self.transaction)
            .await?;
        Ok(true)
    }

    /// Makes an id constant if callbacks named two messages with it by report URL or tag. An id of
    /// a reply or a registration stays with its message.
    pub(super) async fn make_constant_if_shared(
        &mut self,
        account: &AccountId,
        id: &ProviderMessageId,
        learned_from: LearnedFrom,
    ) -> Result<bool, Error> {
        let LearnedFrom::NamingCallback(seen_at) = learned_from else {
            return Ok(false);
        };
        self.write_bindings().await?;
        self.write_conflicts().await?;
        let Some(binding) = provider_id_row::Entity::find()
            .filter(is_binding_of(account, id))
            .one(&self.transaction)
            .await?
        else {
            return Ok(false);
        };
        let claims = id_conflict_row::Entity::find()
            .filter(id_conflict_row::Column::Account.eq(account))
            .filter(id_conflict_row::Column::ProviderId.eq(id.as_str()))
            .all(&self.transaction)
            .await?;
        let only_callbacks = binding.learned_from == IdSource::Callback
            && claims
                .iter()
                .all(|claim| claim.learned_from == IdSource::Callback);
        let certain_claims = claims.iter().filter(|claim| claim.certain).count();
        if !only_callbacks || certain_claims + usize::from(binding.certain) < 2 {
            return Ok(false);
        }
        self.make_constant(account, id, instant::to_millis(seen_at))
            .await?;
        let holder = MessageId::from(binding.message);
        self.load(&[holder]).await?;
        self.id_counts.remove(&binding.message);
        self.entry(holder)?.mark_ids_changed();
        self.former_holders.push(holder);
        Ok(true)
    }

    async fn make_constant(
        &mut self,
        account: &AccountId,
        id: &ProviderMessageId,
        seen_at: i64,
    ) -> Result<(), Error> {
        id_conflict_row::Entity::delete_many()
            .filter(id_conflict_row::Column::Account.eq(account))
            .filter(id_conflict_row::Column::ProviderId.eq(id.as_str()))
            .exec(&self.transaction)
            .await?;
        let constant = IdSource::Constant;
        provider_id_row::Entity::update_many()
            .col_expr(provider_id_row::Column::Message, NO_MESSAGE.into())
            .col_expr(provider_id_row::Column::LearnedFrom, constant.into())
            .col_expr(provider_id_row::Column::LearnedAt, seen_at.into())
            .filter(is_binding_of(account, id))
            .exec(&self.transaction)
            .await?;
        self.set_holder(account, id, None);
        let key = (account.clone(), id.clone());
        self.uncertain_ids.remove(&key);
        self.constant_ids.insert(key);
        Ok(())
    }
}

fn is_binding_of(account: &AccountId, id: &ProviderMessageId) -> Condition {
    Condition::all()
        .add(provider_id_row::Column::Account.eq(account))
        .add(provider_id_row::Column::ProviderId.eq(id.as_str()))
}
