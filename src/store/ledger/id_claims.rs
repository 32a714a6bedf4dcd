//! Ids that two sent messages claim: who holds one keeps it, and the claim of the other waits until it is let go.

use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

use crate::db::{Error, instant};
use crate::domain::ids::{AccountId, ProviderMessageId};
use crate::store::entities::provider_id_row::IdSource;
use crate::store::entities::{id_conflict_row, provider_id_row};
use crate::store::ledger::id_binding::LearnedFrom;
use crate::store::ledger::message_ledger::Ledger;

impl Ledger {
    /// Notes that a message was told to have an id that another sent message holds.
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
            seen_at: instant::write(learned_from.instant(self.now)),
        });
        if learned_from.is_callback() {
            return Ok(());
        }
        // What a callback claimed first is as good as if only the reply had: it must not be forgotten.
        self.write_conflicts().await?;
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

    /// Hears claims again whose id is not held any more by the message that kept it: the first claimant gets it, unless somebody else holds it now.
    pub async fn retry_id_claims(&mut self) -> Result<(), Error> {
        self.write_bindings().await?;
        self.write_conflicts().await?;
        let holder_still_holds = Query::select()
            .expr(Expr::value(1))
            .from(provider_id_row::Entity)
            .and_where(
                Expr::col((provider_id_row::Entity, provider_id_row::Column::Account))
                    .equals((id_conflict_row::Entity, id_conflict_row::Column::Account)),
            )
            .and_where(
                Expr::col((provider_id_row::Entity, provider_id_row::Column::ProviderId))
                    .equals((id_conflict_row::Entity, id_conflict_row::Column::ProviderId)),
            )
            .and_where(
                Expr::col((provider_id_row::Entity, provider_id_row::Column::Message))
                    .equals((id_conflict_row::Entity, id_conflict_row::Column::Message)),
            )
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
        let id = ProviderMessageId::parse(&claim.provider_id)
            .map_err(|_| Error::inconsistent("id_conflicts", "provider_id", claim.claimant))?;
        let seen_at = instant::read("id_conflicts", "seen_at", claim.seen_at)?;
        let learned_from = LearnedFrom::new(claim.learned_from, seen_at);
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
