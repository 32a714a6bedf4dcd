//! Creates and revokes API tokens, for the command line and the dashboard.

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::db;
use crate::domain::account_limit::AccountLimit;
use crate::domain::api_token::{BadTokenName, parse_token_name};
use crate::domain::audit_action::{Action, ActionKind};
use crate::domain::ids::{AccountId, TokenId};
use crate::domain::scope::Scopes;
use crate::domain::secret::Secret;
use crate::operating::action_context::ActionContext;
use crate::store::Store;
use crate::store::api_tokens::{NewToken, TokenCreation};

#[derive(Debug, Error)]
pub enum TokenError {
    #[error(transparent)]
    Name(#[from] BadTokenName),
    #[error("an active token is already named `{0}`; choose another name or revoke that token")]
    NameTaken(String),
    /// Refused, because a mistyped account would create a token without access to anything.
    #[error(
        "there is no account `{0}`; `serve` adds new accounts of the configuration when it starts"
    )]
    UnknownAccount(AccountId),
    #[error("the token would be expired already")]
    Expired,
    #[error(transparent)]
    Store(#[from] db::Error),
}

/// Returns the text of the token, which is not stored.
pub async fn create_token(
    store: &Store,
    name: &str,
    scopes: &Scopes,
    accounts: AccountLimit,
    expires_at: Option<DateTime<Utc>>,
    context: &ActionContext<'_>,
) -> Result<Secret, TokenError> {
    let name = parse_token_name(name)?;
    if expires_at.is_some_and(|end| end <= context.now) {
        return Err(TokenError::Expired);
    }
    if let Some(named) = accounts.accounts() {
        let known = store.list_accounts().await?;
        if let Some(unknown) = named.iter().find(|id| !known.contains_key(*id)) {
            return Err(TokenError::UnknownAccount(unknown.clone()));
        }
    }
    let new = NewToken {
        name,
        scopes,
        accounts,
        expires_at,
    };
    let action = audit_action(
        ActionKind::CreateToken,
        name,
        scopes,
        &new.accounts,
        context,
    );
    match store
        .create_limited_token(&new, context.now, Some(&action))
        .await?
    {
        TokenCreation::NameTaken => Err(TokenError::NameTaken(name.to_owned())),
        TokenCreation::Created(_, text) => Ok(text),
    }
}

/// False if the token does not exist or was already revoked.
pub async fn revoke_token(
    store: &Store,
    id: TokenId,
    context: &ActionContext<'_>,
) -> Result<bool, db::Error> {
    let tokens = store.list_tokens().await?;
    let Some(token) = tokens.iter().find(|token| token.id == id) else {
        return Ok(false);
    };
    let (kind, accounts) = (ActionKind::RevokeToken, &token.accounts);
    let action = audit_action(kind, &token.name, &token.scopes, accounts, context);
    store.revoke_token(id, context.now, Some(&action)).await
}

/// The entry in the audit log.
fn audit_action(
    kind: ActionKind,
    name: &str,
    scopes: &Scopes,
    accounts: &AccountLimit,
    context: &ActionContext<'_>,
) -> Action {
    let suffix = if accounts.is_limited() {
        format!(" for {accounts}")
    } else {
        String::new()
    };
    Action {
        detail: Some(format!("{name} ({scopes}){suffix}")),
        ..Action::new(context.actor, kind, context.now)
    }
}
