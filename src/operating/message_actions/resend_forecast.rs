//! Whether a resend of a message would fail for the same reason, and what would help.

use chrono::{DateTime, Utc};

use crate::db;
use crate::domain::failure::FailureClass;
use crate::domain::failure_codes;
use crate::domain::media::MediaSource;
use crate::domain::message::{Message, MessageFailure};
use crate::domain::provider_account::WindowPolicy;
use crate::domain::window::Window;
use crate::sending::accept::AcceptError;
use crate::services::Services;

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

/// For a message that can be resent.
pub async fn forecast(
    services: &Services,
    message: &Message,
) -> Result<ResendForecast, AcceptError> {
    let failure = message.failure.as_ref();
    let failure = failure.filter(|listed| !listed.failure.is_operator_mark());
    let class = failure.map(|listed| listed.class);
    let window = find_window_warning(services, message, class).await?;
    let accounts = services.store.list_accounts().await?;
    let is_paused = accounts
        .get(&message.account)
        .is_some_and(|record| record.pause.is_some());
    let needs_template = window.is_some();
    let by_class = || failure.and_then(|listed| class_warning(message, listed, is_paused));
    Ok(ResendForecast {
        warning: window.or_else(by_class),
        media: choose_media(services, message, class).await?,
        needs_template,
    })
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

/// The warning for a free-form message whose recipient's 24-hour window is closed now.
async fn find_window_warning(
    services: &Services,
    message: &Message,
    class: Option<FailureClass>,
) -> Result<Option<String>, db::Error> {
    let Some(recipient) = message.recipient.as_deref() else {
        return Ok(None);
    };
    let failed_for_window = class == Some(FailureClass::Window);
    let account = services.accounts.get(&message.account);
    let is_ignored = account.is_some_and(|account| account.window == WindowPolicy::Ignore);
    if message.template.is_some() || is_ignored && !failed_for_window {
        return Ok(None);
    }
    let now = services.clock.now();
    let store = &services.store;
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
fn class_warning(message: &Message, listed: &MessageFailure, is_paused: bool) -> Option<String> {
    let action = failure_codes::describe(message.provider, &listed.failure).action;
    match listed.class {
        FailureClass::Media => {
            let kind = message.kind.map_or("file", |kind| kind.as_str());
            Some(format!(
                "The same {kind} would probably fail again. Choose another link or file."
            ))
        }
        FailureClass::Policy | FailureClass::Recipient => Some(format!(
            "A resend would probably fail again for the same reason. {action}"
        )),
        FailureClass::Account if is_paused => {
            Some("The account is paused: a resend waits until it is resumed.".to_owned())
        }
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
