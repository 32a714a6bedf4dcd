//! One-time links that sign in to the dashboard, by their hashes.
//!
//! **Invariant:** the text of a link is returned once, when it is created, and never stored.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::db::{Error, instant};
use crate::domain::audit_action::{Action, ActionKind, Actor};
use crate::domain::ids::UserId;
use crate::domain::secret::Secret;
use crate::domain::user::User;
use crate::store::Store;
use crate::store::audit_log::insert_action;
use crate::store::entities::sign_in_link_row::{Column, Entity, Model};
use crate::store::random_secret::{generate_secret, hash};
use crate::store::sessions::{self, NewSession, SignInOrigin};
use crate::store::user_records;

/// How long a link of the built-in administrator is valid.
pub const SIGN_IN_LINK_LIFE: TimeDelta = TimeDelta::minutes(15);
/// How long a link of another user is valid: it must reach them first.
pub const USER_LINK_LIFE: TimeDelta = TimeDelta::hours(24);

impl Store {
    /// Creates a link that signs in the built-in administrator once, within [`SIGN_IN_LINK_LIFE`].
    pub async fn create_sign_in_link(&self, now: DateTime<Utc>) -> Result<Secret, Error> {
        self.create_link(None, now, None).await
    }

    /// Creates a link that signs in once: this user within [`USER_LINK_LIFE`], or the built-in
    /// administrator within [`SIGN_IN_LINK_LIFE`]. `action` is for the audit log. Deletes expired
    /// links, too.
    pub async fn create_link(
        &self,
        user: Option<UserId>,
        now: DateTime<Utc>,
        action: Option<&Action>,
    ) -> Result<Secret, Error> {
        let text = Secret::new(generate_secret());
        let life = user.map_or(SIGN_IN_LINK_LIFE, |_| USER_LINK_LIFE);
        let row = Model {
            hash: hash(text.expose()),
            created_at: instant::to_millis(now),
            expires_at: instant::to_millis(now + life),
            used_at: None,
            user_id: user.map(UserId::uuid),
        };
        self.pools()
            .within_or_too_slow(async |transaction| {
                Entity::delete_many()
                    .filter(Column::ExpiresAt.lt(instant::to_millis(now)))
                    .exec(transaction)
                    .await?;
                Entity::insert(row.into_active_model())
                    .exec_without_returning(transaction)
                    .await?;
                if let Some(action) = action {
                    insert_action(transaction, action).await?;
                }
                Ok(text)
            })
            .await
    }

    /// Consumes a link, starts a session and records it in the audit log; `None` when the link is
    /// used, expired or unknown, or its user disabled. Of several concurrent calls one succeeds.
    pub async fn sign_in_with_link(
        &self,
        text: &str,
        origin: &SignInOrigin,
    ) -> Result<Option<NewSession>, Error> {
        let now = instant::to_millis(origin.now);
        let of_text = || Column::Hash.eq(hash(text));
        let consumption = Entity::update_many()
            .col_expr(Column::UsedAt, Expr::value(Some(now)))
            .filter(of_text())
            .filter(Column::UsedAt.is_null())
            .filter(Column::ExpiresAt.gt(now));
        self.pools()
            .within_or_too_slow(async |transaction| {
                if consumption.exec(transaction).await?.rows_affected == 0 {
                    return Ok(None);
                }
                let link = Entity::find().filter(of_text()).one(transaction).await?;
                let user = match link.and_then(|link| link.user_id) {
                    Some(id) => user_records::find(transaction, id.into()).await?,
                    None => {
                        Some(user_records::restore_built_in_admin(transaction, origin.now).await?)
                    }
                };
                let Some(user) = user.filter(|user| user.disabled_at.is_none()) else {
                    return Ok(None);
                };
                let action = sign_in_action(&user, origin, "with a link");
                let session = sessions::start(transaction, user, origin, &action).await?;
                Ok(Some(session))
            })
            .await
    }
}

/// For the audit log.
pub fn sign_in_action(user: &User, origin: &SignInOrigin, how: &str) -> Action {
    let actor = Actor {
        name: user.email.as_str(),
        address: origin.address.as_deref(),
    };
    Action {
        detail: Some(how.to_owned()),
        ..Action::new(actor, ActionKind::SignIn, origin.now)
    }
}
