//! Users of the dashboard. Changes are recorded in the audit log in their transaction.

use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};

use crate::db::{Error, instant};
use crate::domain::audit_action::Action;
use crate::domain::ids::UserId;
use crate::domain::user::{Email, Role, User};
use crate::store::Store;
use crate::store::audit_log::insert_action;
use crate::store::entities::user_row::{Column, Entity, Model};
use crate::store::sessions::{KeptSessions, end_sessions_of};
use crate::store::user_records;

/// A user with the hash against which a password is checked.
#[derive(Debug)]
pub struct UserCredentials {
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
    /// Sorted by e-mail address.
    pub async fn list_users(&self) -> Result<Vec<User>, Error> {
        let by_address = Entity::find().order_by_asc(Column::Email);
        let rows = by_address.all(self.pools().reader()).await?;
        rows.into_iter().map(User::try_from).collect()
    }

    pub async fn find_user(&self, id: UserId) -> Result<Option<User>, Error> {
        user_records::find(self.pools().reader(), id).await
    }

    pub async fn find_credentials(&self, email: &Email) -> Result<Option<UserCredentials>, Error> {
        let of_email = Entity::find().filter(Column::Email.eq(email));
        let row = of_email.one(self.pools().reader()).await?;
        row.map(|row| {
            Ok(UserCredentials {
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
            .within_or_too_slow(async |transaction| {
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
            .within_or_too_slow(async |transaction| {
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
