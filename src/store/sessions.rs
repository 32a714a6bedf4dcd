//! Sessions of the dashboard, by the hashes of their secrets. A session that ended has no row.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect,
};
use tokio::time::timeout;

use crate::db::{Error, instant};
use crate::domain::audit_action::Action;
use crate::domain::ids::{SessionId, UserId};
use crate::domain::secret::Secret;
use crate::domain::user::User;
use crate::domain::user_session::{SESSION_IDLE_LIFE, SESSION_LIFE, UserSession};
use crate::store::Store;
use crate::store::audit_log::insert_action;
use crate::store::entities::session_row::{Column, Entity, Model};
use crate::store::entities::sign_in_link_row;
use crate::store::random_secret::{generate_secret, hash};
use crate::store::user_records;

/// How long recording the use of a session may take.
const USE_TIMEOUT: Duration = Duration::from_millis(250);
/// The most sessions of one user; beyond that, the one that was used longest ago ends.
const SESSIONS_PER_USER: u64 = 50;

/// When a sign-in happened, and where it came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignInOrigin {
    pub now: DateTime<Utc>,
    /// The IP address.
    pub address: Option<String>,
    /// The browser, as its request names it.
    pub browser: Option<String>,
}

/// The sessions of a user that a change does not end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeptSessions {
    All,
    None,
    Only(SessionId),
}

/// A session that has just begun.
#[derive(Debug)]
pub struct NewSession {
    pub user: User,
    /// For the cookie; not stored.
    pub secret: Secret,
}

impl Store {
    /// Starts a session of a user whose password was correct; `None` if the user was disabled
    /// meanwhile.
    pub async fn start_session(
        &self,
        user: UserId,
        origin: &SignInOrigin,
        action: &Action,
    ) -> Result<Option<NewSession>, Error> {
        self.pools()
            .within_or_too_slow(async |transaction| {
                let found = user_records::find(transaction, user).await?;
                let Some(user) = found.filter(|user| user.disabled_at.is_none()) else {
                    return Ok(None);
                };
                Ok(Some(start(transaction, user, origin, action).await?))
            })
            .await
    }

    /// The session with this secret and its user, unless it has ended.
    pub async fn find_session(
        &self,
        secret: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<(UserSession, User)>, Error> {
        let reader = self.pools().reader();
        let of_secret = Entity::find().filter(Column::Hash.eq(hash(secret)));
        let row = of_secret.filter(unexpired(now)).one(reader).await?;
        let Some(row) = row else { return Ok(None) };
        let session = UserSession::try_from(row)?;
        let user = user_records::find(reader, session.user).await?;
        let user = user.filter(|user| user.disabled_at.is_none());
        Ok(user.map(|user| (session, user)))
    }

    /// Whether a session has not ended.
    pub async fn is_session_valid(&self, id: SessionId, now: DateTime<Utc>) -> Result<bool, Error> {
        let reader = self.pools().reader();
        let of_id = Entity::find_by_id(id.uuid()).filter(unexpired(now));
        Ok(of_id.one(reader).await?.is_some())
    }

    /// Records the use of a session. Times out early, because a caller that only reads must not
    /// wait for a lock.
    pub async fn record_session_use(&self, id: SessionId, now: DateTime<Utc>) -> Result<(), Error> {
        let now = instant::to_millis(now);
        let update = Entity::update_many()
            .col_expr(Column::UsedAt, Expr::value(now))
            .filter(Column::Id.eq(id.uuid()))
            .filter(Column::UsedAt.lt(now));
        let updated = timeout(USE_TIMEOUT, update.exec(self.pools().writer())).await;
        updated.map_err(|_| Error::TooSlow)??;
        Ok(())
    }

    /// The sessions of a user, last used first.
    pub async fn list_sessions(
        &self,
        user: UserId,
        now: DateTime<Utc>,
    ) -> Result<Vec<UserSession>, Error> {
        let rows = Entity::find()
            .filter(Column::UserId.eq(user.uuid()))
            .filter(unexpired(now))
            .order_by_desc(Column::UsedAt)
            .order_by_desc(Column::Id)
            .limit(SESSIONS_PER_USER)
            .all(self.pools().reader())
            .await?;
        rows.into_iter().map(UserSession::try_from).collect()
    }

    /// Ends one session of a user; false if there is none of this id.
    pub async fn end_session(
        &self,
        user: UserId,
        id: SessionId,
        action: &Action,
    ) -> Result<bool, Error> {
        let deletion = Entity::delete_many()
            .filter(Column::Id.eq(id.uuid()))
            .filter(Column::UserId.eq(user.uuid()));
        self.pools()
            .within_or_too_slow(async |transaction| {
                if deletion.exec(transaction).await?.rows_affected == 0 {
                    return Ok(false);
                }
                insert_action(transaction, action).await?;
                Ok(true)
            })
            .await
    }

    /// Ends all sessions of a user except those that are kept.
    pub async fn end_sessions(
        &self,
        user: UserId,
        kept: KeptSessions,
        action: &Action,
    ) -> Result<(), Error> {
        self.pools()
            .within_or_too_slow(async |transaction| {
                end_sessions_of(transaction, user, kept).await?;
                insert_action(transaction, action).await
            })
            .await
    }
}

impl Store {
    /// Ends all sessions and deletes all sign-in links; returns how many sessions had not expired
    /// and how many links could be used.
    pub async fn end_all_sign_ins(&self, now: DateTime<Utc>) -> Result<(u64, u64), Error> {
        self.pools()
            .within(async |transaction| {
                let sessions = Entity::find().filter(unexpired(now)).count(transaction);
                let sessions = sessions.await?;
                Entity::delete_many().exec(transaction).await?;
                let links = sign_in_link_row::Entity::find()
                    .filter(sign_in_link_row::Column::UsedAt.is_null())
                    .filter(sign_in_link_row::Column::ExpiresAt.gt(instant::to_millis(now)))
                    .count(transaction)
                    .await?;
                sign_in_link_row::Entity::delete_many()
                    .exec(transaction)
                    .await?;
                Ok((sessions, links))
            })
            .await
    }
}

/// Starts a session in the transaction of its sign-in, and deletes what has expired.
pub(super) async fn start(
    connection: &impl ConnectionTrait,
    user: User,
    origin: &SignInOrigin,
    action: &Action,
) -> Result<NewSession, Error> {
    let now = instant::to_millis(origin.now);
    let expired = unexpired(origin.now).not();
    Entity::delete_many()
        .filter(expired)
        .exec(connection)
        .await?;
    let surplus: Vec<Model> = Entity::find()
        .filter(Column::UserId.eq(user.id.uuid()))
        .order_by_desc(Column::UsedAt)
        .offset(SESSIONS_PER_USER - 1)
        .limit(SESSIONS_PER_USER)
        .all(connection)
        .await?;
    let surplus = surplus.into_iter().map(|row| row.id);
    Entity::delete_many()
        .filter(Column::Id.is_in(surplus))
        .exec(connection)
        .await?;
    let secret = Secret::new(generate_secret());
    let row = Model {
        id: SessionId::new(origin.now).uuid(),
        hash: hash(secret.expose()),
        user_id: user.id.uuid(),
        started_at: now,
        used_at: now,
        address: origin.address.clone(),
        browser: origin.browser.clone(),
    };
    Entity::insert(row.into_active_model())
        .exec_without_returning(connection)
        .await?;
    user_records::record_sign_in(connection, user.id, origin.now).await?;
    insert_action(connection, action).await?;
    Ok(NewSession { user, secret })
}

pub(super) async fn end_sessions_of(
    connection: &impl ConnectionTrait,
    user: UserId,
    kept: KeptSessions,
) -> Result<(), Error> {
    let deletion = Entity::delete_many().filter(Column::UserId.eq(user.uuid()));
    let deletion = match kept {
        KeptSessions::All => return Ok(()),
        KeptSessions::None => deletion,
        KeptSessions::Only(kept) => deletion.filter(Column::Id.ne(kept.uuid())),
    };
    deletion.exec(connection).await?;
    Ok(())
}

fn unexpired(now: DateTime<Utc>) -> Condition {
    Condition::all()
        .add(Column::UsedAt.gt(instant::to_millis(now - SESSION_IDLE_LIFE)))
        .add(Column::StartedAt.gt(instant::to_millis(now - SESSION_LIFE)))
}

impl TryFrom<Model> for UserSession {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        let time = |column, millis| instant::from_millis("sessions", column, millis);
        Ok(Self {
            id: row.id.into(),
            user: row.user_id.into(),
            started_at: time("started_at", row.started_at)?,
            used_at: time("used_at", row.used_at)?,
            address: row.address,
            browser: row.browser,
        })
    }
}
