//! The actions that an operator can run on one message, for the API and the dashboard.

pub mod cancel;
pub mod dismiss;
mod load_message;
pub mod mark_failed;
pub mod match_orphan;
pub mod resend;
pub mod resend_advice;
pub mod resend_forecast;
pub mod unmatch;

use crate::domain::ids::MessageId;
use crate::operating::action_context::{ActionContext, ActionError};
use crate::operating::message_actions::resend::ResendMedia;
use crate::services::Services;

#[derive(Clone, Debug)]
pub enum MessageAction {
    Cancel,
    Resend {
        media: Option<ResendMedia>,
    },
    MarkFailed {
        reason: Option<String>,
    },
    Unmatch,
    Dismiss,
    /// Matches an orphan with the message that its reports are about.
    Match(MessageId),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ActionResult {
    /// The message to show: for a resend the new one, for a match the matched one.
    pub message: MessageId,
    /// After a match was undone: the messages and orphans that the reports were moved to.
    pub reports_moved_to: Option<Vec<MessageId>>,
}

/// Runs an action, and notifies the dispatcher if it creates a message.
pub async fn run(
    services: &Services,
    id: MessageId,
    action: MessageAction,
    context: &ActionContext<'_>,
) -> Result<ActionResult, ActionError> {
    let store = &services.store;
    let mut reports_moved_to = None;
    let message = match action {
        MessageAction::Cancel => {
            cancel::cancel(store, id, context).await?;
            id
        }
        MessageAction::Resend { media } => {
            let resent = resend::resend(store, &services.acceptor, id, media, context).await?;
            services.dispatch_wakeup.notify_one();
            resent
        }
        MessageAction::MarkFailed { reason } => {
            mark_failed::mark_failed(store, id, reason.as_deref(), context).await?;
            id
        }
        MessageAction::Unmatch => {
            reports_moved_to = Some(unmatch::unmatch(services, id, context).await?);
            id
        }
        MessageAction::Dismiss => {
            dismiss::dismiss_message(store, id, context).await?;
            id
        }
        MessageAction::Match(message) => {
            match_orphan::match_orphan(store, id, message, context).await?;
            message
        }
    };
    Ok(ActionResult {
        message,
        reports_moved_to,
    })
}
