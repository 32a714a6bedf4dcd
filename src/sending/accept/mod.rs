//! Accepts a message: validates every field, then stores the message and its idempotency key in one
//! transaction, together with others.

mod accept_error;
mod acceptance_writer;
mod media_fields;
mod media_preflight;
mod media_url;
mod message_fields;
mod message_input;
mod option_fields;
pub mod register_observed;
mod request_meaning;
mod template_fields;
mod window_check;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

pub use self::accept_error::{AcceptError, InvalidField};
pub use self::message_input::{
    ButtonInput, KeyedRequest, MessageInput, ReceivedFile, RequestKey, Resend, TemplateInput,
};
use crate::domain::audit_action::{Action, Verb};
use crate::domain::campaign::CampaignState;
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::media::{MediaSource, Upload};
use crate::domain::message::MessageDraft;
use crate::domain::message_warning::{MessageWarning, WarningCode};
use crate::domain::provider_account::{Account, AccountMode};
use crate::sending::accept::acceptance_writer::{AcceptanceWriter, WaitingMessage};
use crate::sending::accept::window_check::WindowVerdict;
use crate::sending::media_check::MediaChecker;
use crate::sending::queue_outlook::QueueOutlook;
use crate::sending::upload_storage::{self, UploadStorage};
use crate::store::Store;
use crate::store::message_acceptance::{Accepted, IdempotencyKey};
use crate::store::send_queue::QueuePart;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredMessage {
    pub id: MessageId,
    pub created_at: DateTime<Utc>,
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
    writer: AcceptanceWriter,
}

impl Acceptor {
    /// Starts the task that stores messages.
    pub fn new(
        store: Store,
        accounts: std::sync::Arc<BTreeMap<AccountId, Account>>,
        uploads: UploadStorage,
        media: MediaChecker,
    ) -> Self {
        Self {
            writer: AcceptanceWriter::start(store.clone()),
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

    /// Stores what is queued and accepts nothing more.
    pub async fn close(&self) {
        self.writer.close().await;
    }

    /// Validates a message and stores it as queued.
    pub async fn accept(
        &self,
        input: MessageInput,
        key: Option<RequestKey>,
        now: DateTime<Utc>,
    ) -> Result<StoredMessage, AcceptError> {
        let id = MessageId::new(now);
        let checked = message_fields::check_message(&input, &self.accounts, id)
            .map_err(AcceptError::Invalid)?;
        let account = checked.account;
        self.check_campaign(&checked.draft).await?;
        let mut draft = checked.draft;
        let key = key.map(|key| identify(key, &input, &draft));
        let mut warnings = Vec::new();
        match window_check::check_window(&self.store, account, &draft, now).await? {
            WindowVerdict::Accepted => {}
            WindowVerdict::Warned(warning) => warnings.push(warning),
            WindowVerdict::Refused(error) => {
                return self
                    .refuse_unless_repeated(account, key.as_ref(), error, now)
                    .await;
            }
        }
        let of_media = self.check_media(&input, account, &draft, key.as_ref());
        warnings.extend(of_media.await?);
        if account.mode == AccountMode::Live {
            let ahead = if draft.campaign.is_none() {
                QueuePart::OutsideCampaigns
            } else {
                QueuePart::Whole
            };
            let outlook = self.outlook.list_warnings(&self.store, account, ahead, now);
            warnings.extend(outlook.await?);
        }
        if account.mode == AccountMode::DryRun {
            warnings.push(MessageWarning::new(
                WarningCode::DryRun,
                format!("account {} is in dry-run: nothing will be sent", account.id),
            ));
        }
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
            address: resend.address.clone(),
            ..Action::new(resend.actor.as_str(), Verb::Resend, now)
        });
        let upload = input.upload.is_some().then(|| draft.media.clone());
        let message = WaitingMessage {
            id,
            draft,
            key,
            action,
            send_before: TimeDelta::from_std(account.send_before).unwrap_or(TimeDelta::MAX),
            silence_limit: TimeDelta::from_std(account.deadline).unwrap_or(TimeDelta::MAX),
            warnings: warnings.clone(),
            now,
        };
        // After an error the message may be stored; the upload sweep decides about the file.
        let accepted = self.writer.store(message).await?;
        if accepted != Accepted::New(id)
            && let Some(upload) = &upload
        {
            upload_storage::discard_unused(upload);
        }
        StoredMessage::of(accepted, warnings, now)
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

    /// A repeated request gets the first reply, whatever has changed in the meantime.
    async fn refuse_unless_repeated(
        &self,
        account: &Account,
        key: Option<&IdempotencyKey>,
        error: InvalidField,
        now: DateTime<Utc>,
    ) -> Result<StoredMessage, AcceptError> {
        let known = match key {
            Some(key) => self.store.find_accepted(&account.id, key).await?,
            None => None,
        };
        match known {
            Some(accepted) => StoredMessage::of(accepted, Vec::new(), now),
            None => Err(AcceptError::Invalid(vec![error])),
        }
    }
}

fn identify(key: RequestKey, input: &MessageInput, draft: &MessageDraft) -> IdempotencyKey {
    let (request_hash, earlier_hash) = match key.request {
        KeyedRequest::Meaning { body_hash } => {
            let hash = request_meaning::hash_meaning(input, draft);
            (hash, Some(body_hash))
        }
        KeyedRequest::Any => (String::new(), None),
    };
    IdempotencyKey {
        name: key.name,
        request_hash,
        earlier_hash,
    }
}

impl StoredMessage {
    /// `warnings` are those of this request.
    fn of(
        accepted: Accepted,
        warnings: Vec<MessageWarning>,
        now: DateTime<Utc>,
    ) -> Result<Self, AcceptError> {
        match accepted {
            Accepted::New(id) => Ok(Self {
                id,
                created_at: now,
                repeat: RequestRepeat::First,
                warnings,
            }),
            Accepted::Replayed {
                message,
                created_at,
                warnings: first,
            } => Ok(Self {
                id: message,
                created_at,
                repeat: RequestRepeat::Repeated,
                warnings: first.unwrap_or(warnings),
            }),
            Accepted::KeyTaken => Err(AcceptError::KeyTaken),
        }
    }
}
