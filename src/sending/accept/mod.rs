//! Accepts a message: validates every field, then stores the message and its idempotency key in one
//! transaction.

mod accept_error;
mod media_fields;
mod media_url;
mod message_fields;
mod message_input;
mod option_fields;
pub mod register_observed;

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

pub use self::accept_error::{AcceptError, InvalidField};
pub use self::message_input::{MessageInput, ReceivedFile, Resend};
use crate::db;
use crate::domain::audit_action::{Action, Verb};
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::media::{MediaSource, Upload};
use crate::domain::message::MessageDraft;
use crate::domain::provider_account::{Account, AccountMode};
use crate::domain::window::Window;
use crate::sending::upload_storage::{self, UploadStorage};
use crate::store::Store;
use crate::store::message_acceptance::{Acceptance, Accepted, IdempotencyKey};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredMessage {
    pub id: MessageId,
    pub repeat: RequestRepeat,
    pub warnings: Vec<String>,
}

/// Whether this is the first request with its idempotency key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestRepeat {
    First,
    /// The message existed; nothing was stored.
    Repeated,
}

#[derive(Clone, Debug)]
pub struct Acceptor {
    store: Store,
    accounts: std::sync::Arc<BTreeMap<AccountId, Account>>,
    uploads: UploadStorage,
}

impl Acceptor {
    pub fn new(
        store: Store,
        accounts: std::sync::Arc<BTreeMap<AccountId, Account>>,
        uploads: UploadStorage,
    ) -> Self {
        Self {
            store,
            accounts,
            uploads,
        }
    }

    /// Validates a message and stores it as queued.
    pub async fn accept(
        &self,
        input: MessageInput,
        key: Option<&IdempotencyKey>,
        now: DateTime<Utc>,
    ) -> Result<StoredMessage, AcceptError> {
        let id = MessageId::new(now);
        let checked = message_fields::check_message(&input, &self.accounts, id)
            .map_err(AcceptError::Invalid)?;
        let account = checked.account;
        let mut draft = checked.draft;
        if let Some(upload) = &input.upload {
            let stored = self
                .uploads
                .store_file(&upload.path, id, draft.media.mime_type.as_deref(), now)
                .await;
            draft.media.source = MediaSource::Upload(Upload {
                path: stored?,
                size: upload.size,
            });
        }
        let action = input.resend.as_ref().map(|resend| Action {
            message: Some(resend.of),
            account: Some(account.id.clone()),
            detail: Some(format!("as {id}")),
            ..Action::new(&resend.actor, Verb::Resend, now)
        });
        let acceptance = Acceptance {
            id,
            draft: &draft,
            key,
            action: action.as_ref(),
            send_before: TimeDelta::from_std(account.send_before).unwrap_or(TimeDelta::MAX),
            silence_limit: TimeDelta::from_std(account.deadline).unwrap_or(TimeDelta::MAX),
        };
        // After an error the message may be stored; the upload sweep decides about the file.
        let accepted = self.store.accept(acceptance, now).await?;
        if accepted != Accepted::New(id) {
            upload_storage::discard(Some(&draft.media));
        }
        let mut warnings = Vec::new();
        if let Accepted::New(id) | Accepted::Replayed(id) = accepted {
            warnings.extend(self.window_warning(&draft, id, now).await?);
        }
        if account.mode == AccountMode::DryRun {
            warnings.push(format!(
                "account {} is in dry-run: nothing will be sent",
                account.id
            ));
        }
        let (id, repeat) = match accepted {
            Accepted::New(id) => (id, RequestRepeat::First),
            Accepted::Replayed(id) => (id, RequestRepeat::Repeated),
            Accepted::KeyTaken => return Err(AcceptError::KeyTaken),
        };
        Ok(StoredMessage {
            id,
            repeat,
            warnings,
        })
    }

    /// Warns if the recipient's 24-hour window is known to be closed.
    ///
    /// A repeated request gets the warning that applied when its message was created.
    async fn window_warning(
        &self,
        draft: &MessageDraft,
        id: MessageId,
        now: DateTime<Utc>,
    ) -> Result<Option<String>, db::Error> {
        let last = self
            .store
            .find_last_inbound(&draft.account, draft.recipient.digits())
            .await?;
        let consequence = "WhatsApp will reject a free-form message with error 131047";
        Ok(match Window::at(id.created_at().unwrap_or(now), last) {
            Window::Closed {
                expired_at: Some(at),
            } => Some(format!(
                "the 24-hour window closed at {}; {consequence}",
                at.to_rfc3339_opts(SecondsFormat::Secs, true)
            )),
            Window::Closed { expired_at: None } => Some(format!(
                "the recipient has not written to this account, so no 24-hour window is open; {consequence}"
            )),
            Window::Open { .. } | Window::Unknown => None,
        })
    }
}
