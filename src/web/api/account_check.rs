//! The account that the body of a call names, for tokens that are limited to accounts.

use crate::domain::scope::Caller;
use crate::web::error::ApiError;

/// The account of a limited token must be one of its own; other tokens may name any, which the use
/// case checks.
pub(crate) fn require_account(caller: &Caller, account: &str) -> Result<(), ApiError> {
    if !caller.accounts.is_limited() {
        return Ok(());
    }
    let allowed = account
        .parse()
        .is_ok_and(|account| caller.accounts.allows(&account));
    if allowed {
        return Ok(());
    }
    let message = format!("is not one of this token's accounts: {}", caller.accounts);
    Err(ApiError::field("account", message))
}
