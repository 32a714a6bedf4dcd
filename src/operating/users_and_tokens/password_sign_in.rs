//! Signs in with a password: throttled, and as slow for addresses without a user as for others.

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::db;
use crate::domain::keyed_limit::LimitWait;
use crate::domain::secret::Secret;
use crate::domain::user::{Email, User};
use crate::operating::users_and_tokens::password::{self, PasswordError};
use crate::operating::users_and_tokens::sign_in_throttle::SignInThrottle;
use crate::store::Store;
use crate::store::sessions::{NewSession, SignInOrigin};
use crate::store::sign_in_links::sign_in_action;

/// A longer e-mail address or password is rejected without a check.
const MAX_INPUT_BYTES: usize = 1_024;

#[derive(Debug, Error)]
pub enum SignInError {
    /// The same error for an unknown or disabled user, and for a wrong password or none set.
    #[error("the e-mail address or the password is wrong")]
    Wrong,
    #[error("too many attempts")]
    TooMany(LimitWait),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Store(#[from] db::Error),
}

/// Starts a session. Attempts are counted by `network`: the client's address, or its network.
pub async fn sign_in_with_password(
    store: &Store,
    throttle: &SignInThrottle,
    email: &str,
    password: Secret,
    network: &str,
    origin: &SignInOrigin,
) -> Result<NewSession, SignInError> {
    let user = check_password(store, throttle, email, password, network, origin.now).await?;
    let action = sign_in_action(&user, origin, "with a password");
    let session = store.start_session(user.id, origin, &action).await?;
    session.ok_or(SignInError::Wrong)
}

/// The user with this address and password; counts failed attempts.
pub async fn check_password(
    store: &Store,
    throttle: &SignInThrottle,
    email: &str,
    password: Secret,
    network: &str,
    now: DateTime<Utc>,
) -> Result<User, SignInError> {
    if email.len() > MAX_INPUT_BYTES || password.expose().len() > MAX_INPUT_BYTES {
        return Err(SignInError::Wrong);
    }
    let parsed = email.parse::<Email>().ok();
    let user_key = parsed.as_ref().map_or(email, Email::as_str);
    throttle
        .admit(user_key, network, now)
        .map_err(SignInError::TooMany)?;
    let credentials = match &parsed {
        Some(email) => store.find_credentials(email).await?,
        None => None,
    };
    let credentials = credentials.filter(|it| it.user.disabled_at.is_none());
    let stored = credentials.as_ref().and_then(|it| it.password_hash.clone());
    if !password::is_correct(password, stored).await? {
        return Err(SignInError::Wrong);
    }
    let user = credentials.ok_or(SignInError::Wrong)?.user;
    throttle.note_success(user_key, network);
    Ok(user)
}
