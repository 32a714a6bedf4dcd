//! Operator actions on an account: pause, resume. Both are audited.

use crate::domain::audit_action::{Action, ActionKind};
use crate::domain::circuit_breaker::CircuitBreaker;
use crate::domain::ids::AccountId;
use crate::domain::paused_by::PausedBy;
use crate::operating::action_context::{ActionContext, ActionError};
use crate::store::Store;
use crate::store::ledger::Ledger;

const MAX_REASON_CHARACTERS: usize = 1000;
const DEFAULT_REASON: &str = "paused by an operator";

/// The trimmed reason of a pause, or a default. The error text follows the name of the field.
pub fn check_reason(reason: Option<String>) -> Result<String, &'static str> {
    let reason = reason
        .map(|reason| reason.trim().to_owned())
        .filter(|reason| !reason.is_empty())
        .unwrap_or_else(|| DEFAULT_REASON.to_owned());
    if reason.chars().count() > MAX_REASON_CHARACTERS || reason.contains('\0') {
        return Err("is longer than 1000 characters, or contains a NUL character");
    }
    Ok(reason)
}

/// Stops new submissions. Those in progress are finished; other messages of the account stay
/// queued.
pub async fn pause(
    store: &Store,
    account: &AccountId,
    reason: &str,
    context: &ActionContext<'_>,
) -> Result<(), ActionError> {
    check_known(store, account).await?;
    store
        .change(context.now, async |ledger: &mut Ledger| {
            let paused = ledger.pause_account(account, PausedBy::Operator, reason);
            if !paused.await? {
                return Err(ActionError::NotPossible(
                    "the account is already paused".to_owned(),
                ));
            }
            let action = Action {
                account: Some(account.clone()),
                ..Action::new(context.actor, ActionKind::PauseAccount, context.now)
            };
            Ok(ledger.record_action(&action).await?)
        })
        .await
}

/// Ends a pause and closes the circuit breaker.
pub async fn resume(
    store: &Store,
    account: &AccountId,
    context: &ActionContext<'_>,
) -> Result<(), ActionError> {
    check_known(store, account).await?;
    store
        .change(context.now, async |ledger: &mut Ledger| {
            let mut flow = ledger.find_send_flow(account).await?;
            let was_tripped = flow.breaker.trip.is_some();
            if !ledger.resume_account(account).await? && !was_tripped {
                return Err(ActionError::NotPossible(
                    "the account is not paused".to_owned(),
                ));
            }
            if flow.breaker != CircuitBreaker::default() {
                flow.breaker = CircuitBreaker::default();
                ledger.store_send_flow(account, &flow).await?;
            }
            let action = Action {
                account: Some(account.clone()),
                ..Action::new(context.actor, ActionKind::ResumeAccount, context.now)
            };
            Ok(ledger.record_action(&action).await?)
        })
        .await
}

async fn check_known(store: &Store, account: &AccountId) -> Result<(), ActionError> {
    if store.list_accounts().await?.contains_key(account) {
        Ok(())
    } else {
        Err(ActionError::NotFound("account"))
    }
}
