//! Whether a resend of a message would fail for the same reason, and what would help: the only
//! source of the advice on pages, in the API and on the command line.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::db;
use crate::domain::failure::FailureClass;
use crate::domain::failure_codes;
use crate::domain::ids::AccountId;
use crate::domain::message::{Message, MessageFailure};
use crate::domain::provider_account::{Account, WindowPolicy};
use crate::domain::window::Window;
use crate::store::Store;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResendAdvice {
    pub cause: RepeatCause,
    /// Why this message would fail again, and what to do. Instants are UTC.
    pub text: String,
    /// The advice without details of this message, for many messages; absent if a resend would only
    /// wait.
    pub summary: Option<String>,
}

/// Why a resend would probably fail again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RepeatCause {
    /// The 24-hour window of the customer is closed: only an approved template would arrive.
    Window,
    Media,
    Other,
}

/// Advises on many messages with one read of the accounts.
pub struct ResendAdvisor<'a> {
    store: &'a Store,
    accounts: &'a BTreeMap<AccountId, Account>,
    paused: BTreeSet<AccountId>,
    now: DateTime<Utc>,
}

impl<'a> ResendAdvisor<'a> {
    pub async fn load(
        store: &'a Store,
        accounts: &'a BTreeMap<AccountId, Account>,
        now: DateTime<Utc>,
    ) -> Result<Self, db::Error> {
        let records = store.list_accounts().await?.into_iter();
        let paused = records.filter(|(_, record)| record.pause.is_some());
        Ok(Self {
            store,
            accounts,
            paused: paused.map(|(id, _)| id).collect(),
            now,
        })
    }

    /// For a message that can be resent. `None` if a resend may succeed.
    pub async fn advise(&self, message: &Message) -> Result<Option<ResendAdvice>, db::Error> {
        let is_paused = self.paused.contains(&message.account);
        let failure = reported_failure(message);
        let of_class = failure.and_then(|reported| advise_on_class(message, reported, is_paused));
        // A template would fail for the same reason: the customer has opted out, the number is
        // wrong, or the account has a problem.
        if of_class
            .as_ref()
            .is_some_and(|advice| advice.cause == RepeatCause::Other)
        {
            return Ok(of_class);
        }
        let of_window = self.advise_on_window(message).await?;
        Ok(match (of_window, of_class) {
            // Another file would not arrive either, so the window is the cause.
            (Some(window), Some(media)) => Some(ResendAdvice {
                text: format!("{} {}", window.text, media.text),
                ..window
            }),
            (window, media) => window.or(media),
        })
    }

    /// For a free-form message whose recipient's 24-hour window is closed now.
    async fn advise_on_window(&self, message: &Message) -> Result<Option<ResendAdvice>, db::Error> {
        let Some(recipient) = message.recipient.as_deref() else {
            return Ok(None);
        };
        let class = reported_failure(message).map(|reported| reported.class);
        let failed_for_window = class == Some(FailureClass::Window);
        let account = self.accounts.get(&message.account);
        let ignores_window =
            account.is_some_and(|account| account.window_policy == WindowPolicy::Ignore);
        if message.template.is_some() || ignores_window && !failed_for_window {
            return Ok(None);
        }
        let events = self
            .store
            .find_window_events(&message.account, recipient, self.now)
            .await?;
        let (why, known) = match Window::at(self.now, events) {
            Window::Closed {
                expired_at: Some(at),
            } => (
                format!(
                    "the customer's 24-hour window had closed by {}",
                    format_utc(at)
                ),
                "the customer's 24-hour window is closed",
            ),
            Window::Closed { expired_at: None } => {
                let why = "the customer has not written to this account";
                (why.to_owned(), why)
            }
            Window::Unknown if failed_for_window => {
                let why = "no message of the customer was received here since";
                (why.to_owned(), why)
            }
            Window::Unknown | Window::Open { .. } => return Ok(None),
        };
        let action = "Send an approved template instead, or resend once the customer has written.";
        Ok(Some(ResendAdvice {
            cause: RepeatCause::Window,
            text: format!("Do not resend yet: {why}, so it would fail again. {action}"),
            summary: Some(format!("{known}. {action}")),
        }))
    }
}

/// The failure, unless an operator marked the message as failed.
pub(super) fn reported_failure(message: &Message) -> Option<&MessageFailure> {
    let failure = message.failure.as_ref();
    failure.filter(|reported| !reported.failure.is_operator_mark())
}

/// For a failure that a resend would probably repeat.
fn advise_on_class(
    message: &Message,
    reported: &MessageFailure,
    is_paused: bool,
) -> Option<ResendAdvice> {
    let known = failure_codes::describe(message.provider, &reported.failure);
    let (meaning, action) = (known.meaning, known.action);
    let other = |text| ResendAdvice {
        cause: RepeatCause::Other,
        text,
        summary: Some(format!("{meaning} {action}")),
    };
    match reported.class {
        FailureClass::Media => {
            let kind = message.kind.map_or("file", |kind| kind.as_str());
            Some(ResendAdvice {
                cause: RepeatCause::Media,
                text: format!("The same {kind} would probably fail again. {action}"),
                summary: Some(format!("{meaning} Give a link to another {kind}.")),
            })
        }
        FailureClass::Policy | FailureClass::Recipient => Some(other(format!(
            "A resend would probably fail again for the same reason. {action}"
        ))),
        FailureClass::Account if is_paused => Some(ResendAdvice {
            summary: None,
            ..other(format!(
                "The account is paused: a resend waits until it is resumed. {action}"
            ))
        }),
        FailureClass::Account => Some(other(format!(
            "A resend would fail again until the account's problem is fixed. {action}"
        ))),
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
