//! Whether a resend of a message would fail for the same reason, and what would help: the one source
//! of what pages, the API and the command line advise.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::db;
use crate::domain::failure::FailureClass;
use crate::domain::failure_codes;
use crate::domain::ids::AccountId;
use crate::domain::message::{ListedFailure, Message};
use crate::domain::provider_account::{Account, WindowPolicy};
use crate::domain::window::Window;
use crate::store::Store;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResendAdvice {
    /// Why it would fail again, and what to do. Instants are UTC.
    pub text: String,
    /// Only an approved template would reach the customer.
    pub needs_template: bool,
}

/// For a message that can be resent. `None` if a resend may succeed.
pub async fn find(
    store: &Store,
    accounts: &BTreeMap<AccountId, Account>,
    message: &Message,
    now: DateTime<Utc>,
) -> Result<Option<ResendAdvice>, db::Error> {
    let account = accounts.get(&message.account);
    let advice = |text, needs_template| ResendAdvice {
        text,
        needs_template,
    };
    if let Some(text) = find_window_warning(store, account, message, now).await? {
        return Ok(Some(advice(text, true)));
    }
    let Some(listed) = reported_failure(message) else {
        return Ok(None);
    };
    let records = store.list_accounts().await?;
    let record = records.get(&message.account);
    let is_paused = record.is_some_and(|record| record.pause.is_some());
    let text = class_warning(message, listed, is_paused);
    Ok(text.map(|text| advice(text, false)))
}

/// The failure, unless an operator marked the message as failed.
pub(super) fn reported_failure(message: &Message) -> Option<&ListedFailure> {
    let failure = message.failure.as_ref();
    failure.filter(|listed| !listed.failure.is_operator_mark())
}

/// The warning for a free-form message whose recipient's 24-hour window is closed now.
async fn find_window_warning(
    store: &Store,
    account: Option<&Account>,
    message: &Message,
    now: DateTime<Utc>,
) -> Result<Option<String>, db::Error> {
    let Some(recipient) = message.recipient.as_deref() else {
        return Ok(None);
    };
    let class = reported_failure(message).map(|listed| listed.class);
    let failed_for_window = class == Some(FailureClass::Window);
    let is_ignored = account.is_some_and(|account| account.window == WindowPolicy::Ignore);
    if message.template.is_some() || is_ignored && !failed_for_window {
        return Ok(None);
    }
    let events = store
        .find_window_events(&message.account, recipient, now)
        .await?;
    let why = match Window::at(now, events) {
        Window::Closed {
            expired_at: Some(at),
        } => format!("the customer's 24-hour window closed at {}", format_utc(at)),
        Window::Closed { expired_at: None } => {
            "the customer has not written to this account".to_owned()
        }
        Window::Unknown if failed_for_window => {
            "no message of the customer was received here since".to_owned()
        }
        Window::Unknown | Window::Open { .. } => return Ok(None),
    };
    Ok(Some(format!(
        "Do not resend yet: {why}, so it would fail again. Send an approved template instead, or resend once the customer has written."
    )))
}

/// The warning for a failure that a resend would probably repeat.
fn class_warning(message: &Message, listed: &ListedFailure, is_paused: bool) -> Option<String> {
    let action = failure_codes::describe(message.provider, &listed.failure).action;
    match listed.class {
        FailureClass::Media => {
            let kind = message.kind.map_or("file", |kind| kind.as_str());
            Some(format!(
                "The same {kind} would probably fail again. {action}"
            ))
        }
        FailureClass::Policy | FailureClass::Recipient => Some(format!(
            "A resend would probably fail again for the same reason. {action}"
        )),
        FailureClass::Account if is_paused => Some(format!(
            "The account is paused: a resend waits until it is resumed. {action}"
        )),
        FailureClass::Account => Some(format!(
            "A resend would fail again until the account is in order. {action}"
        )),
        FailureClass::Window
        | FailureClass::Rate
        | FailureClass::Provider
        | FailureClass::Expired
        | FailureClass::Unknown => None,
    }
}

/// Formats an instant as explanations do.
fn format_utc(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}
