//! API tokens, by their hashes.
//!
//! **Invariant:** the text of a token is returned once, when it is created, and never stored.

use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder,
};
use tokio::time::timeout;

use crate::db::{Error, instant};
use crate::domain::account_limit::AccountLimit;
use crate::domain::api_token::{ApiToken, TOKEN_PREFIX};
use crate::domain::audit_action::Action;
use crate::domain::ids::TokenId;
use crate::domain::scope::Scopes;
use crate::domain::secret::Secret;
use crate::store::Store;
use crate::store::audit_log::insert_action;
use crate::store::entities::token_row::{Column, Entity, Model};
use crate::store::random_secret::{generate_secret, hash};

/// How long recording the use of a token may take.
const USE_TIMEOUT: Duration = Duration::from_millis(250);

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TokenCreation {
    /// The token, and its text, which is not stored.
    Created(ApiToken, Secret),
    /// Another valid token has this name.
    NameTaken,
}

/// What a token is created with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewToken<'a> {
    pub name: &'a str,
    pub scopes: &'a Scopes,
    pub accounts: AccountLimit,
    pub expires_at: Option<DateTime<Utc>>,
}

impl Store {
    /// Creates a token that has access to all accounts and never expires. Its name must differ from
    /// those of all valid tokens.
    pub async fn create_token(
        &self,
        name: &str,
        scopes: &Scopes,
        now: DateTime<Utc>,
    ) -> Result<TokenCreation, Error> {
        let new = NewToken {
            name,
            scopes,
            accounts: AccountLimit::default(),
            expires_at: None,
        };
        self.create_limited_token(&new, now, None).await
    }

    /// Creates a token whose name no other valid token has. `action` is for the audit log.
    pub async fn create_limited_token(
        &self,
        new: &NewToken<'_>,
        now: DateTime<Utc>,
        action: Option<&Action>,
    ) -> Result<TokenCreation, Error> {
        let text = Secret::new(format!("{TOKEN_PREFIX}{}", generate_secret()));
        let row = Model {
            id: TokenId::new(now).uuid(),
            name: new.name.to_owned(),
            hash: hash(text.expose()),
            scopes: new.scopes.clone(),
            created_at: instant::to_millis(now),
            revoked_at: None,
            last_used_at: None,
            expires_at: new.expires_at.map(instant::to_millis),
            accounts: new.accounts.is_limited().then(|| new.accounts.clone()),
        };
        self.pools()
            .within_or_too_slow(async |transaction| {
                let taken = Entity::find()
                    .filter(Column::Name.eq(new.name))
                    .filter(valid(now))
                    .one(transaction)
                    .await?;
                if taken.is_some() {
                    return Ok(TokenCreation::NameTaken);
                }
                Entity::insert(row.clone().into_active_model())
                    .exec_without_returning(transaction)
                    .await?;
                if let Some(action) = action {
                    insert_action(transaction, action).await?;
                }
                Ok(TokenCreation::Created(row.try_into()?, text))
            })
            .await
    }

    /// All tokens, including revoked ones, newest first.
    pub async fn list_tokens(&self) -> Result<Vec<ApiToken>, Error> {
        let rows = Entity::find()
            .order_by_desc(Column::CreatedAt)
            .order_by_desc(Column::Id)
            .all(self.pools().reader())
            .await?;
        rows.into_iter().map(ApiToken::try_from).collect()
    }

    /// Revokes a token, expired or not; false if there is none with this id that is not revoked.
    /// `action` is for the audit log.
    pub async fn revoke_token(
        &self,
        id: TokenId,
        now: DateTime<Utc>,
        action: Option<&Action>,
    ) -> Result<bool, Error> {
        let revocation = Entity::update_many()
            .col_expr(
                Column::RevokedAt,
                Expr::value(Some(instant::to_millis(now))),
            )
            .filter(Column::Id.eq(id.uuid()))
            .filter(Column::RevokedAt.is_null());
        self.pools()
            .within_or_too_slow(async |transaction| {
                let revoked = revocation.exec(transaction).await?.rows_affected == 1;
                if let Some(action) = action.filter(|_| revoked) {
                    insert_action(transaction, action).await?;
                }
                Ok(revoked)
            })
            .await
    }

    /// The valid token with this text.
    pub async fn find_token(
        &self,
        text: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<ApiToken>, Error> {
        Entity::find()
            .filter(Column::Hash.eq(hash(text)))
            .filter(valid(now))
            .one(self.pools().reader())
            .await?
            .map(ApiToken::try_from)
            .transpose()
    }

    /// Whether a token of this id is valid.
    pub async fn is_token_valid(&self, id: TokenId, now: DateTime<Utc>) -> Result<bool, Error> {
        let found = Entity::find_by_id(id.uuid())
            .filter(valid(now))
            .one(self.pools().reader())
            .await?;
        Ok(found.is_some())
    }

    /// Records the minute in which a token was used; writes at most once per minute. Times out
    /// early, because a caller that only reads must not wait for a lock.
    pub async fn record_token_use(
        &self,
        token: &ApiToken,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let minute = now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now);
        if token.last_used_at.is_some_and(|at| at >= minute) {
            return Ok(());
        }
        let minute = instant::to_millis(minute);
        let update = Entity::update_many()
            .col_expr(Column::LastUsedAt, Expr::value(Some(minute)))
            .filter(Column::Id.eq(token.id.uuid()))
            .filter(
                Column::LastUsedAt
                    .is_null()
                    .or(Column::LastUsedAt.lt(minute)),
            );
        let updated = timeout(USE_TIMEOUT, update.exec(self.pools().writer())).await;
        updated.map_err(|_| Error::TooSlow)??;
        Ok(())
    }
}

/// Neither revoked nor expired.
fn valid(now: DateTime<Utc>) -> Condition {
    let unexpired = Column::ExpiresAt.gt(instant::to_millis(now));
    Condition::all()
        .add(Column::RevokedAt.is_null())
        .add(Column::ExpiresAt.is_null().or(unexpired))
}

impl TryFrom<Model> for ApiToken {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        let time = |column, millis| instant::from_optional_millis("tokens", column, millis);
        Ok(Self {
            id: row.id.into(),
            scopes: row.scopes,
            name: row.name,
            accounts: row.accounts.unwrap_or_default(),
            expires_at: time("expires_at", row.expires_at)?,
            created_at: instant::from_millis("tokens", "created_at", row.created_at)?,
            revoked_at: time("revoked_at", row.revoked_at)?,
            last_used_at: time("last_used_at", row.last_used_at)?,
        })
    }
}
