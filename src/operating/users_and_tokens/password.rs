//! Passwords: argon2id with the parameters that OWASP recommends (19 MiB, two passes).
//!
//! **Invariant:** at most two are hashed at a time, so that sign-ins cannot use up memory and
//! processors.

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::domain::secret::Secret;
use crate::domain::user::PASSWORD_LENGTHS;

const MAX_CONCURRENT_HASHES: usize = 2;
const SALT_BYTES: usize = 16;

static PERMITS: Semaphore = Semaphore::const_new(MAX_CONCURRENT_HASHES);
/// Verified against if there is no user or no password, so that the response time does not reveal
/// it.
static DUMMY_HASH: LazyLock<Option<String>> = LazyLock::new(|| hash("dummy password").ok());

#[derive(Debug, Error)]
pub enum PasswordError {
    #[error(
        "has {0} characters; use {least} to {most}",
        least = PASSWORD_LENGTHS.start(),
        most = PASSWORD_LENGTHS.end()
    )]
    Length(usize),
    #[error("the password could not be hashed: {0}")]
    Hash(String),
}

/// The hash to store, in PHC format.
pub async fn hash_password(password: Secret) -> Result<String, PasswordError> {
    let length = password.expose().chars().count();
    if !PASSWORD_LENGTHS.contains(&length) {
        return Err(PasswordError::Length(length));
    }
    run_limited(move || hash(password.expose())).await?
}

/// Whether the password matches the stored hash. Without a hash, returns false after the same time.
pub async fn is_correct(password: Secret, stored: Option<String>) -> Result<bool, PasswordError> {
    run_limited(move || {
        let has_hash = stored.is_some();
        let Some(text) = stored.or_else(|| DUMMY_HASH.clone()) else {
            return false;
        };
        let verified = PasswordHash::new(&text).is_ok_and(|hash| {
            let password = password.expose().as_bytes();
            Argon2::default().verify_password(password, &hash).is_ok()
        });
        verified && has_hash
    })
    .await
}

/// Runs the work in a thread of its own, at most [`MAX_CONCURRENT_HASHES`] at a time.
async fn run_limited<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PasswordError> {
    let failed = |error: &dyn std::error::Error| PasswordError::Hash(error.to_string());
    let permit = PERMITS.acquire().await.map_err(|error| failed(&error))?;
    // Held until the work is done, even if the client disconnects.
    let done = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(permit);
        done
    })
    .await;
    done.map_err(|error| failed(&error))
}

fn hash(password: &str) -> Result<String, PasswordError> {
    let failed = |error: argon2::password_hash::Error| PasswordError::Hash(error.to_string());
    let salt = SaltString::encode_b64(&rand::random::<[u8; SALT_BYTES]>()).map_err(failed)?;
    let hashed = Argon2::default().hash_password(password.as_bytes(), &salt);
    Ok(hashed.map_err(failed)?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_stored_as_argon2id_and_recognised() {
        let password = || Secret::new("correct horse battery");
        let stored = hash_password(password()).await.unwrap();
        assert!(
            stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{stored}"
        );
        assert!(is_correct(password(), Some(stored.clone())).await.unwrap());
        assert_ne!(stored, hash_password(password()).await.unwrap());
        let other = Secret::new("correct horse batterx");
        assert!(!is_correct(other, Some(stored)).await.unwrap());
        let dummy = Secret::new("dummy password");
        assert!(!is_correct(dummy, None).await.unwrap());
    }

    #[tokio::test]
    async fn a_password_that_is_too_short_or_too_long_is_refused() {
        for length in [0, 11, 129] {
            let refused = hash_password(Secret::new("ä".repeat(length))).await;
            assert!(matches!(refused, Err(PasswordError::Length(it)) if it == length));
        }
    }
}
