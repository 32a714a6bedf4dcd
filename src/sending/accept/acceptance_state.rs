//! What the warnings of a message depend on: whether its account sends, and its recipient's window.

use chrono::{DateTime, Utc};

use crate::db::Error;
use crate::domain::ids::AccountId;
use crate::domain::send_flow::SendFlow;
use crate::domain::window::WindowEvents;
use crate::store::Store;
use crate::store::account_records::Pause;

/// Names the account and the recipient of a message that is being accepted.
#[derive(Clone, Debug)]
pub(super) struct AcceptanceQuestion {
    pub(super) account: AccountId,
    /// Digits; absent if the window is not needed.
    pub(super) recipient: Option<String>,
    pub(super) now: DateTime<Utc>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct AcceptanceState {
    pub(super) pause: Option<Pause>,
    pub(super) flow: SendFlow,
    /// Absent if the question names no recipient.
    pub(super) window: Option<WindowEvents>,
}

/// Returns the states in the order of the questions.
pub(super) async fn read_states(
    store: &Store,
    questions: &[AcceptanceQuestion],
) -> Result<Vec<AcceptanceState>, Error> {
    let Some(now) = questions.iter().map(|question| question.now).min() else {
        return Ok(Vec::new());
    };
    let accounts = store.list_accounts().await?;
    let flows = store.list_send_flows().await?;
    let customer = |question: &AcceptanceQuestion| {
        let recipient = question.recipient.clone()?;
        Some((question.account.clone(), recipient))
    };
    let customers: Vec<_> = questions.iter().filter_map(customer).collect();
    let windows = store.list_window_events(&customers, now).await?;
    let mut windows = windows.into_iter();
    let states = questions.iter().map(|question| {
        let id = &question.account;
        AcceptanceState {
            pause: accounts.get(id).and_then(|record| record.pause.clone()),
            flow: flows.get(id).cloned().unwrap_or_default(),
            window: question.recipient.as_ref().and_then(|_| windows.next()),
        }
    });
    Ok(states.collect())
}
