//! Accepting a message: every documented limit is checked by field name, then message and idempotency key are stored together.

mod check;
mod media;
pub mod observed;
mod recipient;

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use thiserror::Error;

use crate::db;
use crate::domain::audit_action::{Action, Verb};
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::media::{MediaSource, Upload};
use crate::domain::message::{MessageDraft, References};
use crate::domain::provider_account::{Account, AccountMode};
use crate::domain::window::Window;
use crate::sending::uploads::{self, KeepError, Uploads};
use crate::store::Store;
use crate::store::queue::{Acceptance, Accepted, IdempotencyKey};

/// A message as a caller wrote it; nothing is checked yet.
#[derive(Clone, Debug, Default)]
pub struct Submission {
    /// Account id.
    pub account: String,
    /// One of the account's senders; its first when absent.
    pub from: Option<String>,
    /// The customer's number.
    pub to: String,
    /// The customer's name.
    pub name: Option<String>,
    /// `image` or `video`.
    pub kind: String,
    /// A public address of the file.
    pub media_url: Option<String>,
    /// The id of an asset uploaded to the provider before.
    pub media_id: Option<String>,
    /// The file itself.
    pub upload: Option<UploadedFile>,
    /// Type of the file.
    pub mime_type: Option<String>,
    /// The words under it.
    pub caption: Option<String>,
    /// The caller's three texts.
    pub references: References,
    /// The caller's own reference, never sent.
    pub client_reference: Option<String>,
    /// Options by name, as JSON values.
    pub options: BTreeMap<String, serde_json::Value>,
    /// The message that this one repeats.
    pub resend: Option<Resend>,
}

/// Whose decision it is that a message repeats another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resend {
    /// The message that is repeated.
    pub of: MessageId,
    /// A token's name, or `dashboard`.
    pub actor: String,
}

/// A file that came with the request and lies in a temporary place.
#[derive(Clone, Debug)]
pub struct UploadedFile {
    /// Where.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// The name the caller gave it.
    pub file_name: Option<String>,
    /// The type the caller gave it.
    pub content_type: Option<String>,
}

/// What is wrong with one field, in the field's own words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldError {
    /// Its name in JSON, `media.url`.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl FieldError {
    pub(crate) fn new(field: &str, message: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            message: message.into(),
        }
    }
}

/// Why a message was not accepted.
#[derive(Debug, Error)]
pub enum AcceptError {
    /// Fields are wrong; every one is named.
    #[error("the message is not complete")]
    Invalid(Vec<FieldError>),
    /// The idempotency key was used for another request.
    #[error("this idempotency key was used for another request")]
    KeyTaken,
    /// The uploaded file could not be kept.
    #[error("the uploaded file could not be kept: {0}")]
    Upload(#[source] std::io::Error),
    /// The database refused.
    #[error(transparent)]
    Store(#[from] db::Error),
}

impl From<KeepError> for AcceptError {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::File(error) => Self::Upload(error),
            KeepError::Store(error) => Self::Store(error),
        }
    }
}

/// A message that is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// Its id.
    pub id: MessageId,
    /// Whether this request had made it before.
    pub repeated: Repeated,
    /// What is legal and yet worth knowing.
    pub warnings: Vec<String>,
}

/// Whether a request made its message now or before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repeated {
    /// Now.
    No,
    /// Before; nothing new was made.
    Yes,
}

/// Accepts messages of the configured accounts.
#[derive(Clone, Debug)]
pub struct Acceptor {
    store: Store,
    accounts: std::sync::Arc<BTreeMap<AccountId, Account>>,
    uploads: Uploads,
}

impl Acceptor {
    /// Keeps uploaded files in `uploads` until they were handed over.
    pub fn new(
        store: Store,
        accounts: std::sync::Arc<BTreeMap<AccountId, Account>>,
        uploads: Uploads,
    ) -> Self {
        Self {
            store,
            accounts,
            uploads,
        }
    }

    /// Checks and stores a message as queued.
    pub async fn accept(
        &self,
        submission: Submission,
        key: Option<&IdempotencyKey>,
        now: DateTime<Utc>,
    ) -> Result<Receipt, AcceptError> {
        let id = MessageId::new(now);
        let checked =
            check::check(&submission, &self.accounts, id).map_err(AcceptError::Invalid)?;
        let account = checked.account;
        let mut draft = checked.draft;
        if let Some(upload) = &submission.upload {
            let kept = self
                .uploads
                .keep(&upload.path, id, draft.media.mime_type.as_deref(), now)
                .await;
            draft.media.source = MediaSource::Upload(Upload {
                path: kept?,
                size: upload.size,
            });
        }
        let action = submission.resend.as_ref().map(|resend| Action {
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
        // After an error nobody knows whether the message was stored; the sweep of uploads will.
        let accepted = self.store.accept(acceptance, now).await?;
        if accepted != Accepted::New(id) {
            uploads::discard(Some(&draft.media));
        }
        let mut warnings = checked.warnings;
        if let Accepted::New(id) | Accepted::Replayed(id) = accepted {
            warnings.extend(self.window_warning(&draft, id, now).await?);
        }
        if account.mode == AccountMode::DryRun {
            warnings.push(format!(
                "account {} is in dry-run: nothing will be sent",
                account.id
            ));
        }
        match accepted {
            Accepted::New(id) => Ok(Receipt {
                id,
                repeated: Repeated::No,
                warnings,
            }),
            Accepted::Replayed(id) => Ok(Receipt {
                id,
                repeated: Repeated::Yes,
                warnings,
            }),
            Accepted::KeyTaken => Err(AcceptError::KeyTaken),
        }
    }
}

impl Acceptor {
    /// What to expect of a free-form message where the customer's window is known to be closed.
    ///
    /// A repeated request is told what held when its message was made.
    async fn window_warning(
        &self,
        draft: &MessageDraft,
        id: MessageId,
        now: DateTime<Utc>,
    ) -> Result<Option<String>, db::Error> {
        let last = self
            .store
            .find_last_inbound(&draft.account, &draft.recipient)
            .await?;
        let refusal = "WhatsApp will refuse a free-form message with 131047";
        Ok(match Window::at(id.created_at().unwrap_or(now), last) {
            Window::Closed {
                expired_at: Some(at),
            } => Some(format!(
                "the 24-hour window closed at {}; {refusal}",
                at.to_rfc3339_opts(SecondsFormat::Secs, true)
            )),
            Window::Closed { expired_at: None } => Some(format!(
                "the customer has not written to this account, so no 24-hour window is open; {refusal}"
            )),
            Window::Open { .. } | Window::Unknown => None,
        })
    }
}
