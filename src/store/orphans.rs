//! Messages known only from callbacks, as a person sees them: listed with suggestions.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use crate::domain::ids::{AccountId, MessageId};
use crate::domain::message::{Message, Origin};
use crate::store::entities::messages::{Column, Entity};
use crate::store::entities::provider_ids;
use crate::store::messages::{Cursor, Page};
use crate::store::{Error, Store, instant};

/// How far apart the hand-over of a message and the first report may be for the one to be suggested for the other.
const SUGGESTION_WINDOW: TimeDelta = TimeDelta::hours(24);
/// Messages suggested for one orphan.
const SUGGESTIONS: u64 = 5;

/// Which orphans to list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OrphanFilter {
    /// Account.
    pub account: Option<AccountId>,
    /// Any id it holds.
    pub provider_id: Option<String>,
    /// The customer, as the callback named them.
    pub recipient: Option<String>,
}

impl Store {
    /// A page of orphans, newest first.
    pub async fn list_orphans(
        &self,
        filter: &OrphanFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, Error> {
        let mut query = Entity::find().filter(Column::Origin.eq(Origin::Provisional.as_str()));
        if let Some(account) = &filter.account {
            query = query.filter(Column::Account.eq(account.as_str()));
        }
        if let Some(recipient) = &filter.recipient {
            query = query.filter(Column::Recipient.eq(recipient.as_str()));
        }
        if let Some(id) = &filter.provider_id {
            let holders = sea_orm::sea_query::Query::select()
                .column(provider_ids::Column::Message)
                .from(provider_ids::Entity)
                .and_where(provider_ids::Column::ProviderId.eq(id.as_str()))
                .to_owned();
            query = query.filter(Column::Id.in_subquery(holders));
        }
        if let Some(after) = after {
            let (created_at, id) = (instant::write(after.created_at), after.id.uuid());
            query = query.filter(
                Expr::tuple([Expr::col(Column::CreatedAt), Expr::col(Column::Id)])
                    .lt(Expr::tuple([Expr::value(created_at), Expr::value(id)])),
            );
        }
        let wanted = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let rows = query
            .order_by_desc(Column::CreatedAt)
            .order_by_desc(Column::Id)
            .limit(wanted)
            .all(self.pools().reader())
            .await?;
        Page::of(rows, limit)
    }

    /// Messages without an id that went to the orphan's recipient around its first report.
    pub async fn list_suggestions(&self, orphan: &Message) -> Result<Vec<MessageId>, Error> {
        let Some(recipient) = &orphan.recipient else {
            return Ok(Vec::new());
        };
        let near = |at: DateTime<Utc>| {
            (
                instant::write(at - SUGGESTION_WINDOW),
                instant::write(at + TimeDelta::minutes(15)),
            )
        };
        let (from, to) = near(orphan.created_at);
        let ids: Vec<Uuid> = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::Account.eq(orphan.account.as_str()))
            .filter(Column::Recipient.eq(recipient.as_str()))
            .filter(Column::Origin.eq(Origin::Api.as_str()))
            .filter(Column::ProviderId.is_null())
            .filter(Column::HandedOverAt.between(from, to))
            .order_by_desc(Column::HandedOverAt)
            .limit(SUGGESTIONS)
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        Ok(ids.into_iter().map(MessageId::from).collect())
    }
}
