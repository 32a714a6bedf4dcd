//! Who performs an action and when, and why an action is not carried out.

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::db;
use crate::domain::audit_action::{Action, ActionKind, Actor};
use crate::domain::ids::MessageId;
use crate::domain::message::Message;
use crate::sending::accept::AcceptError;

#[derive(Debug, Error)]
pub enum ActionError {
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The message that it was merged into.
    #[error("the message was merged into {0}")]
    Merged(MessageId),
    #[error("{0}")]
    NotPossible(String),
    #[error(transparent)]
    Accept(#[from] AcceptError),
    #[error(transparent)]
    Store(#[from] db::Error),
}

#[derive(Clone, Debug)]
pub struct ActionContext<'a> {
    pub actor: Actor<'a>,
    pub now: DateTime<Utc>,
}

impl ActionContext<'_> {
    pub(in crate::operating) fn action_on(
        &self,
        message: &Message,
        kind: ActionKind,
        detail: Option<String>,
    ) -> Action {
        Action {
            message: Some(message.id),
            account: Some(message.account.clone()),
            detail,
            ..Action::new(self.actor, kind, self.now)
        }
    }
}
