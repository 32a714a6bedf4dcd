//! Users of the dashboard. Changes are recorded in the audit log in their transaction.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
};

use crate::db::{Error, instant};
use crate::domain::audit_action::Action;
use crate::domain::ids::UserId;
use crate::domain::user::{Email, Role, User};
use crate::store::Store;
use crate::store::audit_log::insert_action;
use crate::store::entities::user_row::{Column, Entity, Model};
use crate::store::sessions::{KeptSessions, end_sessions_of};

/// A user with what a sign-in by password is checked against.
#[derive(Debug)]
pub struct Credentials {
    pub user: User,
    /// In PHC format.
    pub password_hash: Option<String>,
}

/// A change of a user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UserChange {
    Role(Role),
    Disable,
    Enable,
    /// The hash in PHC format.
    Password(String),
}

impl Store {
    /// By address.
    pub async fn list_users(&self) -> Result<Vec<User>, Error> {
        let by_address = Entity::find().order_by_asc(Column::Email);
        let rows = by_address.all(self.pools().reader()).await?;
        rows.into_iter().map(User::try_from).collect()
    }

    pub async fn find_user(&self, id: UserId) -> Result<Option<User>, Error> {
        find(self.pools().reader(), id).await
    }

    pub async fn find_credentials(&self, email: &Email) -> Result<Option<Credentials>, Error> {
        let of_email = Entity::find().filter(Column::Email.eq(email));
        let row = of_email.one(self.pools().reader()).await?;
        row.map(|row| {
            Ok(Credentials {
                password_hash: row.password_hash.clone(),
                user: row.try_into()?,
            })
        })
        .transpose()
    }

    /// Creates a user; false if one with this address exists.
    pub async fn create_user(&self, user: &User, action: &Action) -> Result<bool, Error> {
        let row = Model {
            id: user.id.uuid(),
            email: user.email.clone(),
            role: user.role,
            password_hash: None,
            created_at: instant::to_millis(user.created_at),
            disabled_at: None,
            last_sign_in_at: None,
        };
        let existing = OnConflict::column(Column::Email).do_nothing().to_owned();
        self.pools()
            .within_for_caller(async |transaction| {
                let inserted = Entity::insert(row.clone().into_active_model())
                    .on_conflict(existing.clone())
                    .exec_without_returning(transaction)
                    .await?;
                if inserted > 0 {
                    insert_action(transaction, action).await?;
                }
                Ok(inserted > 0)
            })
            .await
    }

    /// Ends the sessions that are not kept. False if there is no such user.
    pub async fn change_user(
        &self,
        id: UserId,
        change: &UserChange,
        kept: KeptSessions,
        action: &Action,
    ) -> Result<bool, Error> {
        let (column, value) = match change {
            UserChange::Role(role) => (Column::Role, Expr::value(*role)),
            UserChange::Disable => {
                let now = instant::to_millis(action.happened_at);
                (Column::DisabledAt, Expr::value(Some(now)))
            }
            UserChange::Enable => (Column::DisabledAt, Expr::value(None::<i64>)),
            UserChange::Password(hash) => (Column::PasswordHash, Expr::value(Some(hash.as_str()))),
        };
        let update = Entity::update_many()
            .col_expr(column, value)
            .filter(Column::Id.eq(id.uuid()));
        self.pools()
            .within_for_caller(async |transaction| {
                if update.exec(transaction).await?.rows_affected == 0 {
                    return Ok(false);
                }
                end_sessions_of(transaction, id, kept).await?;
                insert_action(transaction, action).await?;
                Ok(true)
            })
            .await
    }
}

pub(super) async fn find(
    connection: &impl ConnectionTrait,
    id: UserId,
) -> Result<Option<User>, Error> {
    let row = Entity::find_by_id(id.uuid()).one(connection).await?;
    row.map(User::try_from).transpose()
}

/// The built-in administrator, created, enabled and made an admin again if necessary: the operator who can
/// create such a link has access to the database.
pub(super) async fn restore_built_in_admin(
    connection: &impl ConnectionTrait,
    now: DateTime<Utc>,
) -> Result<User, Error> {
    let row = Model {
        id: UserId::new(now).uuid(),
        email: Email::built_in_admin(),
        role: Role::Admin,
        password_hash: None,
        created_at: instant::to_millis(now),
        disabled_at: None,
        last_sign_in_at: None,
    };
    let again = OnConflict::column(Column::Email)
        .update_columns([Column::Role, Column::DisabledAt])
        .to_owned();
    Entity::insert(row.into_active_model())
        .on_conflict(again)
        .exec_without_returning(connection)
        .await?;
    let of_email = Entity::find().filter(Column::Email.eq(&Email::built_in_admin()));
    let row = of_email.one(connection).await?;
    row.ok_or_else(|| Error::inconsistent("users", "email", Email::built_in_admin()))?
        .try_into()
}

pub(super) async fn record_sign_in(
    connection: &impl ConnectionTrait,
    user: UserId,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let now = instant::to_millis(now);
    Entity::update_many()
        .col_expr(Column::LastSignInAt, Expr::value(Some(now)))
        .filter(Column::Id.eq(user.uuid()))
        .exec(connection)
        .await?;
    Ok(())
}

impl TryFrom<Model> for User {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        let time = |column, millis| instant::from_optional_millis("users", column, millis);
        Ok(Self {
            id: row.id.into(),
            email: row.email,
            role: row.role,
            has_password: row.password_hash.is_some(),
            created_at: instant::from_millis("users", "created_at", row.created_at)?,
            disabled_at: time("disabled_at", row.disabled_at)?,
            last_sign_in_at: time("last_sign_in_at", row.last_sign_in_at)?,
        })
    }
}
