//! Checks whether the recipient's 24-hour window is open.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::domain::message::MessageDraft;
use crate::domain::message_warning::{MessageWarning, WarningCode};
use crate::domain::provider_account::{Account, WindowPolicy};
use crate::domain::window::{Window, WindowEvents};
use crate::sending::accept::accept_error::InvalidField;

pub(super) enum WindowVerdict {
    /// Open, not known, or ignored by the account.
    Accepted,
    Warned(MessageWarning),
    Refused(InvalidField),
}

/// Only free-form messages are limited to the window.
pub(super) fn depends_on_window(account: &Account, draft: &MessageDraft) -> bool {
    account.window_policy != WindowPolicy::Ignore && draft.template.is_none()
}

/// `events` are the recipient's; absent if the message does not depend on the window.
pub(super) fn judge_window(
    account: &Account,
    events: Option<WindowEvents>,
    now: DateTime<Utc>,
) -> WindowVerdict {
    let Some(events) = events else {
        return WindowVerdict::Accepted;
    };
    let closed = match Window::at(now, events) {
        Window::Open { .. } | Window::Unknown => return WindowVerdict::Accepted,
        Window::Closed {
            expired_at: Some(at),
        } => format!(
            "the 24-hour window had closed by {}",
            at.to_rfc3339_opts(SecondsFormat::Secs, true)
        ),
        Window::Closed { expired_at: None } => {
            "the recipient has not written to this account, so no 24-hour window is open".to_owned()
        }
    };
    if account.window_policy == WindowPolicy::Refuse {
        WindowVerdict::Refused(InvalidField::new(
            "to",
            format!("{closed}; only an approved template can reach this recipient now"),
        ))
    } else {
        WindowVerdict::Warned(MessageWarning::new(
            WarningCode::WindowClosed,
            format!(
                "{closed}; WhatsApp will probably reject a free-form message with error 131047"
            ),
        ))
    }
}
