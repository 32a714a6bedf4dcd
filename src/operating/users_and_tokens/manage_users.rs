//! Creates and changes users, for the command line and the dashboard.

use thiserror::Error;

use crate::db;
use crate::domain::audit_action::{Action, ActionKind};
use crate::domain::ids::UserId;
use crate::domain::secret::Secret;
use crate::domain::user::{Email, Role, User};
use crate::operating::action_context::ActionContext;
use crate::operating::users_and_tokens::password::{PasswordError, hash_password};
use crate::store::Store;
use crate::store::sessions::KeptSessions;
use crate::store::users::UserChange;

#[derive(Debug, Error)]
pub enum UserError {
    #[error("a user `{0}` already exists")]
    Exists(Email),
    #[error("there is no user `{0}`")]
    Unknown(Email),
    #[error("there is no such user")]
    Gone,
    #[error("the user is disabled; enable it first")]
    Disabled,
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Store(#[from] db::Error),
}

/// Returns the user, and the secret of a one-time sign-in link.
pub async fn add_user(
    store: &Store,
    email: Email,
    role: Role,
    context: &ActionContext<'_>,
) -> Result<(User, Secret), UserError> {
    let user = User {
        id: UserId::new(context.now),
        email,
        role,
        has_password: false,
        created_at: context.now,
        disabled_at: None,
        last_sign_in_at: None,
    };
    let action = audit_action(&user, ActionKind::CreateUser, Some(role.as_str()), context);
    if !store.create_user(&user, &action).await? {
        return Err(UserError::Exists(user.email));
    }
    let link = store.create_link(Some(user.id), context.now, None).await?;
    Ok((user, link))
}

/// Returns the secret of another one-time sign-in link for a user.
pub async fn create_link(
    store: &Store,
    user: &User,
    context: &ActionContext<'_>,
) -> Result<Secret, UserError> {
    if user.disabled_at.is_some() {
        return Err(UserError::Disabled);
    }
    let action = audit_action(user, ActionKind::CreateSignInLink, None, context);
    let (user, now) = (Some(user.id), context.now);
    Ok(store.create_link(user, now, Some(&action)).await?)
}

/// Returns the secret of a one-time link that signs in the built-in administrator.
pub async fn create_admin_link(
    store: &Store,
    context: &ActionContext<'_>,
) -> Result<Secret, db::Error> {
    let action = Action {
        detail: Some("for the built-in administrator".to_owned()),
        ..Action::new(context.actor, ActionKind::CreateSignInLink, context.now)
    };
    store.create_link(None, context.now, Some(&action)).await
}

pub async fn change_role(
    store: &Store,
    user: &User,
    role: Role,
    context: &ActionContext<'_>,
) -> Result<(), UserError> {
    let action = audit_action(user, ActionKind::ChangeRole, Some(role.as_str()), context);
    change(
        store,
        user,
        &UserChange::Role(role),
        KeptSessions::All,
        &action,
    )
    .await
}

/// Ends the sessions of the user.
pub async fn disable(
    store: &Store,
    user: &User,
    context: &ActionContext<'_>,
) -> Result<(), UserError> {
    let action = audit_action(user, ActionKind::DisableUser, None, context);
    change(
        store,
        user,
        &UserChange::Disable,
        KeptSessions::None,
        &action,
    )
    .await
}

pub async fn enable(
    store: &Store,
    user: &User,
    context: &ActionContext<'_>,
) -> Result<(), UserError> {
    let action = audit_action(user, ActionKind::EnableUser, None, context);
    change(store, user, &UserChange::Enable, KeptSessions::All, &action).await
}

/// Ends the sessions of the user except those in `kept`.
pub async fn set_password(
    store: &Store,
    user: &User,
    password: Secret,
    kept: KeptSessions,
    context: &ActionContext<'_>,
) -> Result<(), UserError> {
    let hash = hash_password(password).await?;
    let action = audit_action(user, ActionKind::SetPassword, None, context);
    change(store, user, &UserChange::Password(hash), kept, &action).await
}

pub async fn find(store: &Store, email: &Email) -> Result<User, UserError> {
    let found = store.find_credentials(email).await?;
    let found = found.ok_or_else(|| UserError::Unknown(email.clone()))?;
    Ok(found.user)
}

async fn change(
    store: &Store,
    user: &User,
    change: &UserChange,
    kept: KeptSessions,
    action: &Action,
) -> Result<(), UserError> {
    if store.change_user(user.id, change, kept, action).await? {
        Ok(())
    } else {
        Err(UserError::Gone)
    }
}

fn audit_action(
    user: &User,
    kind: ActionKind,
    detail: Option<&str>,
    context: &ActionContext<'_>,
) -> Action {
    let email = user.email.as_str();
    Action {
        detail: Some(detail.map_or_else(|| email.to_owned(), |more| format!("{email}: {more}"))),
        ..Action::new(context.actor, kind, context.now)
    }
}
