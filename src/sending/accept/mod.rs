//! Accepts a message: validates every field, then stores the message and its idempotency key in one
//! transaction.

mod accept_error;
mod media_fields;
mod media_preflight;
mod media_url;
mod message_fields;
mod message_input;
mod option_fields;
pub mod register_observed;
mod template_fields;

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

pub use self::accept_error::{AcceptError, InvalidField};
pub use self::message_input::{ButtonInput, MessageInput, ReceivedFile, Resend, TemplateInput};
use crate::db;
use crate::domain::audit_action::{Action, Verb};
use crate::domain::campaign::CampaignState;
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::media::{MediaSource, Upload};
use crate::domain::message::MessageDraft;
use crate::domain::message_warning::{MessageWarning, WarningCode};
use crate::domain::provider_account::{Account, AccountMode};
use crate::domain::window::Window;
use crate::sending::media_check::MediaChecker;
use crate::sending::queue_outlook::QueueOutlook;
use crate::sending::upload_storage::{self, UploadStorage};
use crate::store::Store;
use crate::store::message_acceptance::{Acceptance, Accepted, IdempotencyKey};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredMessage {
    pub id: MessageId,
    pub repeat: RequestRepeat,
    pub warnings: Vec<MessageWarning>,
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
    outlook: QueueOutlook,
    media: MediaChecker,
}

impl Acceptor {
    pub fn new(
        store: Store,
        accounts: std::sync::Arc<BTreeMap<AccountId, Account>>,
        uploads: UploadStorage,
        media: MediaChecker,
    ) -> Self {
        Self {
            store,
            accounts,
            uploads,
            outlook: QueueOutlook::default(),
            media,
        }
    }

    /// Messages per second of an account.
    pub fn rate(&self, account: &AccountId) -> Option<f64> {
        self.accounts.get(account)?.rate
    }

    /// How long messages of an account may stay queued.
    pub fn send_before(&self, account: &AccountId) -> Option<TimeDelta> {
        TimeDelta::from_std(self.accounts.get(account)?.send_before).ok()
    }

    /// Validates a message without storing it.
    pub fn check(
        &self,
        input: &MessageInput,
        id: MessageId,
    ) -> Result<(MessageDraft, &Account), Vec<InvalidField>> {
        let checked = message_fields::check_message(input, &self.accounts, id)?;
        Ok((checked.draft, checked.account))
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
        self.check_campaign(&checked.draft).await?;
        let mut draft = checked.draft;
        let media_warnings = self.check_media(&input, account, &draft, key).await?;
        if let Some(upload) = &input.upload {
            let stored = self
                .uploads
                .store_file(&upload.path, id, draft.media.mime_type.as_deref(), now)
                .await;
            draft.media.source = MediaSource::Upload(Upload {
                path: stored?,
                size: upload.size,
                token: upload_storage::token_for(&draft),
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
            upload_storage::discard_unused(&draft.media);
        }
        let mut warnings = media_warnings;
        if let Accepted::New(id) | Accepted::Replayed(id) = accepted {
            warnings.extend(self.window_warning(&draft, id, now).await?);
        }
        if account.mode == AccountMode::Live {
            let outlook = self.outlook.list_warnings(&self.store, account, now);
            warnings.extend(outlook.await?);
        }
        if account.mode == AccountMode::DryRun {
            warnings.push(MessageWarning::new(
                WarningCode::DryRun,
                format!("account {} is in dry-run: nothing will be sent", account.id),
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

    /// Refuses a new message of a campaign that was cancelled.
    async fn check_campaign(&self, draft: &MessageDraft) -> Result<(), AcceptError> {
        let Some(id) = draft
            .campaign
            .as_ref()
            .filter(|_| draft.resend_of.is_none())
        else {
            return Ok(());
        };
        let campaign = self.store.find_campaign(id).await?;
        if campaign.is_some_and(|campaign| campaign.state == CampaignState::Cancelled) {
            let error = InvalidField::new("campaign", "was cancelled; use another");
            return Err(AcceptError::Invalid(vec![error]));
        }
        Ok(())
    }

    /// Warns if the recipient's 24-hour window is known to be closed.
    ///
    /// A repeated request gets the warning that applied when its message was created.
    async fn window_warning(
        &self,
        draft: &MessageDraft,
        id: MessageId,
        now: DateTime<Utc>,
    ) -> Result<Option<MessageWarning>, db::Error> {
        // Approved templates may be sent at any time.
        if draft.template.is_some() {
            return Ok(None);
        }
        let last = self
            .store
            .find_last_inbound(&draft.account, &draft.recipient)
            .await?;
        let consequence = "WhatsApp will reject a free-form message with error 131047";
        let text = match Window::at(id.created_at().unwrap_or(now), last) {
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
        };
        Ok(text.map(|text| MessageWarning::new(WarningCode::WindowClosed, text)))
    }
}
