//! Ids that two sent messages claim: the holder keeps the id; the other message's claim is stored
//! and retried when the holder no longer has it.

use std::collections::BTreeSet;

use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

use crate::db::{Error, instant};
use crate::domain::ids::{AccountId, MessageId, ProviderMessageId};
use crate::store::entities::id_conflict_row;
use crate::store::entities::provider_id_row::{self, IdSource};
use crate::store::ledger::learned_from::LearnedFrom;
use crate::store::ledger::message_ledger::Ledger;

/// The most messages that are reprocessed together because they claim ids of each other.
const MAX_CONFLICTING: usize = 200;

impl Ledger {
    /// These messages, and all that claim an id of one of them or hold an id that one claims.
    /// Returns only the given messages if there are more than `MAX_CONFLICTING` in all: a rebuild may
    /// then bind some ids differently.
    pub async fn with_conflicting_messages(
        &mut self,
        messages: &[MessageId],
    ) -> Result<Vec<MessageId>, Error> {
        self.write_conflicts().await?;
        let mut all: BTreeSet<Uuid> = messages.iter().map(|id| id.uuid()).collect();
        let mut added: Vec<Uuid> = all.iter().copied().collect();
        while !added.is_empty() {
            if all.len() > MAX_CONFLICTING {
                return Ok(messages.to_vec());
            }
            let names_added = Condition::any()
                .add(id_conflict_row::Column::Message.is_in(added.iter().copied()))
                .add(id_conflict_row::Column::Claimant.is_in(added.iter().copied()));
            let claims = id_conflict_row::Entity::find()
                .filter(names_added)
                .all(&self.transaction)
                .await?;
            let named = claims
                .iter()
                .flat_map(|claim| [claim.message, claim.claimant]);
            added = named.filter(|message| all.insert(*message)).collect();
        }
        Ok(all.into_iter().map(MessageId::from).collect())
    }

    /// Records that a message was reported with an id that another sent message holds.
    pub(super) async fn note_claim(
        &mut self,
        claimant: Uuid,
        holder: Uuid,
        (account, id): (&AccountId, &ProviderMessageId),
        learned_from: LearnedFrom,
    ) -> Result<(), Error> {
        self.conflicts.push(id_conflict_row::Model {
            account: account.clone(),
            provider_id: id.as_str().to_owned(),
            message: holder,
            claimant,
            learned_from: learned_from.source(),
            seen_at: instant::to_millis(learned_from.learned_at(self.now)),
            certain: learned_from.is_certain(),
        });
        if !learned_from.is_certain() {
            return Ok(());
        }
        self.write_conflicts().await?;
        id_conflict_row::Entity::update_many()
            .col_expr(id_conflict_row::Column::Certain, true.into())
            .filter(id_conflict_row::Column::Account.eq(account))
            .filter(id_conflict_row::Column::ProviderId.eq(id.as_str()))
            .filter(id_conflict_row::Column::Claimant.eq(claimant))
            .filter(id_conflict_row::Column::Certain.eq(false))
            .exec(&self.transaction)
            .await?;
        if learned_from.is_callback() {
            return Ok(());
        }
        // A claim from a reply or a registration survives a rebuild, even if a callback made it
        // first.
        id_conflict_row::Entity::update_many()
            .col_expr(
                id_conflict_row::Column::LearnedFrom,
                learned_from.source().into(),
            )
            .filter(id_conflict_row::Column::Account.eq(account))
            .filter(id_conflict_row::Column::ProviderId.eq(id.as_str()))
            .filter(id_conflict_row::Column::Claimant.eq(claimant))
            .filter(id_conflict_row::Column::LearnedFrom.ne(IdSource::Reply))
            .exec(&self.transaction)
            .await?;
        Ok(())
    }

    /// Retries, oldest first, the claims on ids that their holder no longer has. Each becomes a
    /// binding, or again a claim if another sent message holds the id now.
    pub async fn retry_id_claims(&mut self) -> Result<(), Error> {
        self.write_bindings().await?;
        self.write_conflicts().await?;
        let same = |held: provider_id_row::Column, claimed: id_conflict_row::Column| {
            Expr::col((provider_id_row::Entity, held)).equals((id_conflict_row::Entity, claimed))
        };
        let holder_still_holds = Query::select()
            .expr(Expr::value(1))
            .from(provider_id_row::Entity)
            .and_where(same(
                provider_id_row::Column::Account,
                id_conflict_row::Column::Account,
            ))
            .and_where(same(
                provider_id_row::Column::ProviderId,
                id_conflict_row::Column::ProviderId,
            ))
            .and_where(same(
                provider_id_row::Column::Message,
                id_conflict_row::Column::Message,
            ))
            .to_owned();
        let open = id_conflict_row::Entity::find()
            .filter(Expr::exists(holder_still_holds).not())
            .order_by_asc(id_conflict_row::Column::SeenAt)
            .order_by_asc(id_conflict_row::Column::Claimant)
            .all(&self.transaction)
            .await?;
        for claim in open {
            self.retry_id_claim(claim).await?;
        }
        Ok(())
    }

    async fn retry_id_claim(&mut self, claim: id_conflict_row::Model) -> Result<(), Error> {
        let id = ProviderMessageId::parse_stored(&claim.provider_id)
            .map_err(|_| Error::inconsistent("id_conflicts", "provider_id", claim.claimant))?;
        let learned_from = LearnedFrom::of_claim(&claim)?;
        let claimant = claim.claimant.into();
        id_conflict_row::Entity::delete_by_id((
            claim.account.clone(),
            claim.provider_id,
            claim.claimant,
        ))
        .exec(&self.transaction)
        .await?;
        self.load(&[claimant]).await?;
        if self.row(claimant).is_some() {
            let key = (claim.account, id);
            self.load_holders(std::slice::from_ref(&key)).await?;
            self.bind(claimant, &key.0, &key.1, learned_from).await?;
        }
        Ok(())
    }
}
