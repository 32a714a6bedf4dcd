//! Rows of users, for the transactions of sign-ins.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::db::{Error, instant};
use crate::domain::ids::UserId;
use crate::domain::user::{Email, Role, User};
use crate::store::entities::user_row::{Column, Entity, Model};

pub(super) async fn find(
    connection: &impl ConnectionTrait,
    id: UserId,
) -> Result<Option<User>, Error> {
    let row = Entity::find_by_id(id.uuid()).one(connection).await?;
    row.map(User::try_from).transpose()
}

/// The built-in administrator; created, enabled and made an admin again if necessary, because only
/// an operator with access to the database can create its sign-in link.
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
    let of_email = Entity::find().filter(Column::Email.eq(Email::built_in_admin()));
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
