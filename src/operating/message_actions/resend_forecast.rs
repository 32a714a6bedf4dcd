//! Whether a resend of a message would fail for the same reason, and what would help.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::db;
use crate::domain::failure::FailureClass;
use crate::domain::failure_codes;
use crate::domain::ids::AccountId;
use crate::domain::media::MediaSource;
use crate::domain::message::{ListedFailure, Message};
use crate::domain::provider_account::WindowPolicy;
use crate::domain::window::Window;
use crate::sending::accept::{AcceptError, Acceptor};
use crate::services::Services;
use crate::store::Store;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResendForecast {
    /// Why it would fail again, and what to do. Instants are UTC.
    pub warning: Option<String>,
    pub media: MediaChoice,
    /// Only an approved template would reach the customer.
    pub needs_template: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MediaChoice {
    /// The media is not the problem.
    #[default]
    Same,
    /// The media failed, so the operator may choose other media.
    Offered,
    /// The file of the message was deleted.
    Required,
}

/// Why a resend would probably fail again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::operating) struct ExpectedFailure {
    pub(in crate::operating) cause: RepeatCause,
    /// For this message. Instants are UTC.
    warning: String,
    /// Without what only this message has; absent where a resend only waits.
    pub(in crate::operating) summary: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::operating) enum RepeatCause {
    /// The 24-hour window of the customer.
    Window,
    Media,
    Other,
}

/// For a message that can be resent.
pub async fn forecast(
    services: &Services,
    message: &Message,
) -> Result<ResendForecast, AcceptError> {
    let now = services.clock.now();
    let forecaster = Forecaster::load(&services.store, &services.acceptor, now).await?;
    let expected = forecaster.expect_failure(message).await?;
    let class = own_failure(message).map(|listed| listed.class);
    Ok(ResendForecast {
        media: choose_media(services, message, class).await?,
        needs_template: expected
            .as_ref()
            .is_some_and(|expected| expected.cause == RepeatCause::Window),
        warning: expected.map(|expected| expected.warning),
    })
}

/// Without a mark of an operator.
fn own_failure(message: &Message) -> Option<&ListedFailure> {
    let failure = message.failure.as_ref();
    failure.filter(|listed| !listed.failure.is_operator_mark())
}

/// Forecasts many messages with one read of the accounts.
pub(in crate::operating) struct Forecaster<'a> {
    store: &'a Store,
    acceptor: &'a Acceptor,
    paused: BTreeSet<AccountId>,
    now: DateTime<Utc>,
}

impl<'a> Forecaster<'a> {
    pub(in crate::operating) async fn load(
        store: &'a Store,
        acceptor: &'a Acceptor,
        now: DateTime<Utc>,
    ) -> Result<Self, db::Error> {
        let records = store.list_accounts().await?.into_iter();
        let paused = records.filter(|(_, record)| record.pause.is_some());
        Ok(Self {
            store,
            acceptor,
            paused: paused.map(|(id, _)| id).collect(),
            now,
        })
    }

    pub(in crate::operating) async fn expect_failure(
        &self,
        message: &Message,
    ) -> Result<Option<ExpectedFailure>, db::Error> {
        let failure = own_failure(message);
        let class = failure.map(|listed| listed.class);
        if let Some(expected) = self.expect_closed_window(message, class).await? {
            return Ok(Some(expected));
        }
        let is_paused = self.paused.contains(&message.account);
        Ok(failure.and_then(|listed| expect_same_class(message, listed, is_paused)))
    }
}

async fn choose_media(
    services: &Services,
    message: &Message,
    class: Option<FailureClass>,
) -> Result<MediaChoice, AcceptError> {
    let source = message.media.as_ref().map(|media| &media.source);
    // Only a file that was served as a link is kept after the submission.
    let was_discarded =
        matches!(source, Some(MediaSource::Upload(upload)) if upload.token.is_none());
    let is_lost = was_discarded || services.acceptor.has_lost_upload(message).await?;
    Ok(if is_lost {
        MediaChoice::Required
    } else if class == Some(FailureClass::Media) {
        MediaChoice::Offered
    } else {
        MediaChoice::Same
    })
}

impl Forecaster<'_> {
    /// For a free-form message whose recipient's 24-hour window is closed now.
    async fn expect_closed_window(
        &self,
        message: &Message,
        class: Option<FailureClass>,
    ) -> Result<Option<ExpectedFailure>, db::Error> {
        let Some(recipient) = message.recipient.as_deref() else {
            return Ok(None);
        };
        let failed_for_window = class == Some(FailureClass::Window);
        let policy = self.acceptor.window_policy(&message.account);
        let is_ignored = policy == Some(WindowPolicy::Ignore);
        if message.template.is_some() || is_ignored && !failed_for_window {
            return Ok(None);
        }
        let store = self.store;
        let events = store
            .find_window_events(&message.account, recipient, self.now)
            .await?;
        let (why, known) = match Window::at(self.now, events) {
            Window::Closed {
                expired_at: Some(at),
            } => (
                format!("the customer's 24-hour window closed at {}", format_utc(at)),
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
        Ok(Some(ExpectedFailure {
            cause: RepeatCause::Window,
            warning: format!("Do not resend yet: {why}, so it would fail again. {action}"),
            summary: Some(format!("{known}. {action}")),
        }))
    }
}

/// For a failure that a resend would probably repeat.
fn expect_same_class(
    message: &Message,
    listed: &ListedFailure,
    is_paused: bool,
) -> Option<ExpectedFailure> {
    let known = failure_codes::describe(message.provider, &listed.failure);
    let (meaning, action) = (known.meaning, known.action);
    let other = |warning| ExpectedFailure {
        cause: RepeatCause::Other,
        warning,
        summary: Some(format!("{meaning} {action}")),
    };
    match listed.class {
        FailureClass::Media => {
            let kind = message.kind.map_or("file", |kind| kind.as_str());
            Some(ExpectedFailure {
                cause: RepeatCause::Media,
                warning: format!(
                    "The same {kind} would probably fail again. Choose another link or file."
                ),
                summary: Some(format!("{meaning} Give a link to another {kind}.")),
            })
        }
        FailureClass::Policy | FailureClass::Recipient => Some(other(format!(
            "A resend would probably fail again for the same reason. {action}"
        ))),
        FailureClass::Account if is_paused => Some(ExpectedFailure {
            cause: RepeatCause::Other,
            warning: "The account is paused: a resend waits until it is resumed.".to_owned(),
            summary: None,
        }),
        FailureClass::Account => Some(other(format!(
            "A resend would fail again until the account is in order. {action}"
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
