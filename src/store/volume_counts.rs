//! Messages sent by us in equal steps of a period, for charts.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Alias, Expr, Func};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect};

use crate::db::{Error, instant};
use crate::domain::account_event::AccountEvent;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::AccountId;
use crate::domain::message::Origin;
use crate::store::Store;
use crate::store::account_events::EventFilter;
use crate::store::entities::message_count_row::{Column, Entity};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VolumeCount {
    /// From 0.
    pub step: i64,
    pub account: AccountId,
    pub state: DeliveryState,
    /// Of a failure; empty without one.
    pub code: String,
    pub messages: i64,
}

impl Store {
    /// Counts messages per account, state, failure code and step of `from..to`.
    pub async fn count_by_step(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        step: TimeDelta,
    ) -> Result<Vec<VolumeCount>, Error> {
        let from = instant::to_millis(from);
        let past = Expr::col(Column::Bucket).sub(Expr::value(from));
        let number = past.div(Expr::value(step.num_milliseconds()));
        let messages = Func::sum(Expr::col(Column::Messages));
        // A name of its own: the same expression again would have other parameters.
        let name = Alias::new("step");
        let rows: Vec<(i64, AccountId, DeliveryState, String, i64)> = Entity::find()
            .select_only()
            .column_as(number.cast_as("bigint"), "step")
            .column(Column::Account)
            .column(Column::State)
            .column(Column::Code)
            .column_as(Expr::expr(messages).cast_as("bigint"), "messages")
            .filter(Column::Bucket.gte(from))
            .filter(Column::Bucket.lt(instant::to_millis(to)))
            .filter(Column::Origin.eq(Origin::Api))
            .group_by(Expr::col(name))
            .group_by(Column::Account)
            .group_by(Column::State)
            .group_by(Column::Code)
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        let count = |(step, account, state, code, messages)| VolumeCount {
            step,
            account,
            state,
            code,
            messages,
        };
        Ok(rows.into_iter().map(count).collect())
    }

    /// The newest events of the accounts since `from`, at most `limit` of each; oldest first.
    pub async fn list_events_since(
        &self,
        accounts: impl IntoIterator<Item = &AccountId>,
        from: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<AccountEvent>, Error> {
        let mut events = Vec::new();
        for account in accounts {
            let filter = EventFilter::default();
            let page = self
                .list_account_events(account, &filter, None, limit)
                .await?;
            events.extend(page.events.into_iter().filter(|event| event.at >= from));
        }
        events.sort_by_key(|event| event.at);
        Ok(events)
    }
}
