//! One-time links that sign in to the dashboard, by their hashes.
//!
//! **Invariant:** the text of a link is returned once, when it is created, and never stored.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::db::{Error, instant};
use crate::domain::audit_action::Action;
use crate::domain::secret::Secret;
use crate::store::Store;
use crate::store::audit_log::insert_action;
use crate::store::entities::sign_in_link_row::{Column, Entity, Model};
use crate::store::random_secret::{generate_secret, hash};

/// How long a link is valid.
pub const SIGN_IN_LINK_LIFE: TimeDelta = TimeDelta::minutes(15);

impl Store {
    /// Creates a link that signs in once, within [`SIGN_IN_LINK_LIFE`]; deletes expired links.
    pub async fn create_sign_in_link(&self, now: DateTime<Utc>) -> Result<Secret, Error> {
        let text = Secret::new(generate_secret());
        let row = Model {
            hash: hash(text.expose()),
            created_at: instant::to_millis(now),
            expires_at: instant::to_millis(now + SIGN_IN_LINK_LIFE),
            used_at: None,
        };
        self.pools()
            .within_for_caller(async |transaction| {
                Entity::delete_many()
                    .filter(Column::ExpiresAt.lt(instant::to_millis(now)))
                    .exec(transaction)
                    .await?;
                Entity::insert(row.into_active_model())
                    .exec_without_returning(transaction)
                    .await?;
                Ok(text)
            })
            .await
    }

    /// Consumes a link and records `action` in the audit log, at its instant; false when the link
    /// is used, expired or unknown. Of several concurrent calls one succeeds.
    pub async fn consume_sign_in_link(&self, text: &str, action: &Action) -> Result<bool, Error> {
        let now = instant::to_millis(action.happened_at);
        let consumption = Entity::update_many()
            .col_expr(Column::UsedAt, Expr::value(Some(now)))
            .filter(Column::Hash.eq(hash(text)))
            .filter(Column::UsedAt.is_null())
            .filter(Column::ExpiresAt.gt(now));
        self.pools()
            .within_for_caller(async |transaction| {
                if consumption.exec(transaction).await?.rows_affected == 0 {
                    return Ok(false);
                }
                insert_action(transaction, action).await?;
                Ok(true)
            })
            .await
    }
}
