//! Whether a message would come after its recipient's 24-hour window.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::db;
use crate::domain::message::MessageDraft;
use crate::domain::message_warning::{MessageWarning, WarningCode};
use crate::domain::provider_account::{Account, WindowPolicy};
use crate::domain::window::Window;
use crate::sending::accept::accept_error::InvalidField;
use crate::store::Store;

pub(super) enum WindowVerdict {
    /// Open, not known, or of no interest to the account.
    Accepted,
    Warned(MessageWarning),
    Refused(InvalidField),
}

/// Only free-form messages are limited to the window.
pub(super) async fn check_window(
    store: &Store,
    account: &Account,
    draft: &MessageDraft,
    now: DateTime<Utc>,
) -> Result<WindowVerdict, db::Error> {
    if account.window == WindowPolicy::Ignore || draft.template.is_some() {
        return Ok(WindowVerdict::Accepted);
    }
    let events = store
        .find_window_events(&account.id, draft.recipient.digits(), now)
        .await?;
    let closed = match Window::at(now, events) {
        Window::Open { .. } | Window::Unknown => return Ok(WindowVerdict::Accepted),
        Window::Closed {
            expired_at: Some(at),
        } => format!(
            "the 24-hour window closed at {}",
            at.to_rfc3339_opts(SecondsFormat::Secs, true)
        ),
        Window::Closed { expired_at: None } => {
            "the recipient has not written to this account, so no 24-hour window is open".to_owned()
        }
    };
    Ok(if account.window == WindowPolicy::Refuse {
        WindowVerdict::Refused(InvalidField::new(
            "to",
            format!("{closed}; only an approved template can reach this recipient now"),
        ))
    } else {
        WindowVerdict::Warned(MessageWarning::new(
            WarningCode::WindowClosed,
            format!("{closed}; WhatsApp will reject a free-form message with error 131047"),
        ))
    })
}
