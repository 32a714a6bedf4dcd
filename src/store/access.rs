//! API tokens and sign-in links by their hashes, and the audit of what operators did.
//!
//! **Invariant:** the text of a token or link is returned once, when it is made, and never stored.

use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use rand::distr::{Alphanumeric, SampleString};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use crate::db::{Error, instant};
use crate::domain::api_token::ApiToken;
use crate::domain::audit_action::{Action, Verb};
use crate::domain::ids::{MessageId, TokenId};
use crate::domain::scope::Scopes;
use crate::domain::secret::Secret;
use crate::store::Store;
use crate::store::entities::{actions, sign_in_links, tokens};
use crate::store::ledger::Ledger;

/// How every token begins, so that people and scanners recognise a leaked one.
pub const TOKEN_PREFIX: &str = "bt_";
/// How long a sign-in link works.
pub const SIGN_IN_LINK_LIFE: TimeDelta = TimeDelta::minutes(15);
/// 43 of 62 characters: 256 bits, out of reach of any guess.
const SECRET_CHARACTERS: usize = 43;

/// How long the note that a token was used may take.
const NOTE_PATIENCE: Duration = Duration::from_millis(250);

/// What became of a wish for a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TokenCreation {
    /// The token, and its text, which is not stored.
    Created(ApiToken, Secret),
    /// A working token has this name already.
    NameTaken,
}

impl Store {
    /// Makes an API token whose name no other working token has.
    pub async fn create_token(
        &self,
        name: &str,
        scopes: &Scopes,
        now: DateTime<Utc>,
    ) -> Result<TokenCreation, Error> {
        let text = Secret::new(format!("{TOKEN_PREFIX}{}", random_text()));
        let row = tokens::Model {
            id: TokenId::new(now).uuid(),
            name: name.to_owned(),
            hash: hash(text.expose()),
            scopes: scopes.clone(),
            created_at: instant::write(now),
            revoked_at: None,
            last_used_at: None,
        };
        self.pools()
            .within_for_caller(async |transaction| {
                let taken = tokens::Entity::find()
                    .filter(tokens::Column::Name.eq(name))
                    .filter(tokens::Column::RevokedAt.is_null())
                    .one(transaction)
                    .await?;
                if taken.is_some() {
                    return Ok(TokenCreation::NameTaken);
                }
                tokens::Entity::insert(row.clone().into_active_model())
                    .exec_without_returning(transaction)
                    .await?;
                Ok(TokenCreation::Created(row.try_into()?, text))
            })
            .await
    }

    /// Every token, the revoked too, newest first.
    pub async fn list_tokens(&self) -> Result<Vec<ApiToken>, Error> {
        let rows = tokens::Entity::find()
            .order_by_desc(tokens::Column::CreatedAt)
            .order_by_desc(tokens::Column::Id)
            .all(self.pools().reader())
            .await?;
        rows.into_iter().map(ApiToken::try_from).collect()
    }

    /// Withdraws a working token; false when there is none of this id.
    pub async fn revoke_token(&self, id: TokenId, now: DateTime<Utc>) -> Result<bool, Error> {
        let revocation = tokens::Entity::update_many()
            .col_expr(
                tokens::Column::RevokedAt,
                Expr::value(Some(instant::write(now))),
            )
            .filter(tokens::Column::Id.eq(id.uuid()))
            .filter(tokens::Column::RevokedAt.is_null());
        self.pools()
            .within_for_caller(async |transaction| {
                Ok(revocation.exec(transaction).await?.rows_affected == 1)
            })
            .await
    }

    /// The working token with this text.
    pub async fn find_token(&self, text: &str) -> Result<Option<ApiToken>, Error> {
        tokens::Entity::find()
            .filter(tokens::Column::Hash.eq(hash(text)))
            .filter(tokens::Column::RevokedAt.is_null())
            .one(self.pools().reader())
            .await?
            .map(ApiToken::try_from)
            .transpose()
    }

    /// Notes the minute in which a token was used; writes once a minute however often it is called. Gives up soon: a caller who only reads must not wait for a lock.
    pub async fn record_token_use(
        &self,
        token: &ApiToken,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let minute = now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now);
        if token.last_used_at.is_some_and(|at| at >= minute) {
            return Ok(());
        }
        let minute = instant::write(minute);
        let note = tokens::Entity::update_many()
            .col_expr(tokens::Column::LastUsedAt, Expr::value(Some(minute)))
            .filter(tokens::Column::Id.eq(token.id.uuid()))
            .filter(
                tokens::Column::LastUsedAt
                    .is_null()
                    .or(tokens::Column::LastUsedAt.lt(minute)),
            );
        let noted = timeout(NOTE_PATIENCE, note.exec(self.pools().writer())).await;
        noted.map_err(|_| Error::TooSlow)??;
        Ok(())
    }

    /// Makes a link that signs in once, within [`SIGN_IN_LINK_LIFE`]; forgets those that ran out.
    pub async fn create_sign_in_link(&self, now: DateTime<Utc>) -> Result<Secret, Error> {
        let text = Secret::new(random_text());
        let row = sign_in_links::Model {
            hash: hash(text.expose()),
            created_at: instant::write(now),
            expires_at: instant::write(now + SIGN_IN_LINK_LIFE),
            used_at: None,
        };
        self.pools()
            .within_for_caller(async |transaction| {
                sign_in_links::Entity::delete_many()
                    .filter(sign_in_links::Column::ExpiresAt.lt(instant::write(now)))
                    .exec(transaction)
                    .await?;
                sign_in_links::Entity::insert(row.into_active_model())
                    .exec_without_returning(transaction)
                    .await?;
                Ok(text)
            })
            .await
    }

    /// Uses a link up at the instant of `action`, which becomes a line of the audit with it; false when the link was used, ran out or never was. Of several at once, one succeeds.
    pub async fn consume_sign_in_link(&self, text: &str, action: &Action) -> Result<bool, Error> {
        let now = instant::write(action.happened_at);
        let use_up = sign_in_links::Entity::update_many()
            .col_expr(sign_in_links::Column::UsedAt, Expr::value(Some(now)))
            .filter(sign_in_links::Column::Hash.eq(hash(text)))
            .filter(sign_in_links::Column::UsedAt.is_null())
            .filter(sign_in_links::Column::ExpiresAt.gt(now));
        self.pools()
            .within_for_caller(async |transaction| {
                if use_up.exec(transaction).await?.rows_affected == 0 {
                    return Ok(false);
                }
                insert_action(transaction, action).await?;
                Ok(true)
            })
            .await
    }

    /// Adds a line to the audit, for what changed no message; see [`Ledger::record_action`].
    pub async fn record_action(&self, action: &Action) -> Result<(), Error> {
        insert_action(self.pools().writer(), action).await
    }

    /// Whether anybody ever opened the dashboard.
    pub async fn has_signed_in(&self) -> Result<bool, Error> {
        let action = actions::Entity::find()
            .filter(actions::Column::Verb.eq(Verb::SignIn))
            .one(self.pools().reader())
            .await?;
        Ok(action.is_some())
    }

    /// What was done to a message, in its order.
    pub async fn list_actions_of(&self, message: MessageId) -> Result<Vec<Action>, Error> {
        let rows = actions::Entity::find()
            .filter(actions::Column::Message.eq(message.uuid()))
            .order_by_asc(actions::Column::HappenedAt)
            .order_by_asc(actions::Column::Id)
            .all(self.pools().reader())
            .await?;
        rows.into_iter().map(Action::try_from).collect()
    }

    /// Every action of these kinds, oldest first.
    pub async fn list_actions_by(&self, verbs: &[Verb]) -> Result<Vec<Action>, Error> {
        list_actions_by(self.pools().reader(), verbs).await
    }

    /// The newest lines of the audit, newest first.
    pub async fn list_actions(&self, limit: u64) -> Result<Vec<Action>, Error> {
        let rows = actions::Entity::find()
            .order_by_desc(actions::Column::HappenedAt)
            .order_by_desc(actions::Column::Id)
            .limit(limit)
            .all(self.pools().reader())
            .await?;
        rows.into_iter().map(Action::try_from).collect()
    }
}

async fn list_actions_by(
    connection: &impl ConnectionTrait,
    verbs: &[Verb],
) -> Result<Vec<Action>, Error> {
    let rows = actions::Entity::find()
        .filter(actions::Column::Verb.is_in(verbs.iter().copied()))
        .order_by_asc(actions::Column::HappenedAt)
        .order_by_asc(actions::Column::Id)
        .all(connection)
        .await?;
    rows.into_iter().map(Action::try_from).collect()
}

impl Ledger {
    /// Every action of these kinds, oldest first, with those that this transaction records; no other decision comes before it ends.
    pub async fn list_actions_by(&self, verbs: &[Verb]) -> Result<Vec<Action>, Error> {
        list_actions_by(self.transaction(), verbs).await
    }

    /// Adds a line to the audit in the transaction that does what it says.
    pub async fn record_action(&self, action: &Action) -> Result<(), Error> {
        insert_action(self.transaction(), action).await
    }
}

async fn insert_action(connection: &impl ConnectionTrait, action: &Action) -> Result<(), Error> {
    let row = actions::Model {
        id: action.id.uuid(),
        message: action.message.map(MessageId::uuid),
        account: action.account.clone(),
        actor: action.actor.clone(),
        verb: action.verb,
        detail: action.detail.clone(),
        happened_at: instant::write(action.happened_at),
    };
    actions::Entity::insert(row.into_active_model())
        .exec_without_returning(connection)
        .await?;
    Ok(())
}

impl TryFrom<tokens::Model> for ApiToken {
    type Error = Error;

    fn try_from(row: tokens::Model) -> Result<Self, Error> {
        let time = |column, millis| instant::read_optional("tokens", column, millis);
        Ok(Self {
            id: row.id.into(),
            scopes: row.scopes,
            name: row.name,
            created_at: instant::read("tokens", "created_at", row.created_at)?,
            revoked_at: time("revoked_at", row.revoked_at)?,
            last_used_at: time("last_used_at", row.last_used_at)?,
        })
    }
}

impl TryFrom<actions::Model> for Action {
    type Error = Error;

    fn try_from(row: actions::Model) -> Result<Self, Error> {
        Ok(Self {
            id: row.id.into(),
            verb: row.verb,
            message: row.message.map(Into::into),
            account: row.account,
            actor: row.actor,
            detail: row.detail,
            happened_at: instant::read("actions", "happened_at", row.happened_at)?,
        })
    }
}

/// Letters and digits from the operating system's seeded generator: unguessable, and selected whole by a double click.
fn random_text() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), SECRET_CHARACTERS)
}

/// A random text needs no slow hash: there is nothing to guess.
fn hash(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}
