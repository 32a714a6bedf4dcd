//! Accepts a message: validates every field, then stores the message and its idempotency key in one
//! transaction, together with others.

mod accept_error;
mod acceptance_state;
mod acceptance_warnings;
mod acceptance_writer;
mod media_fields;
mod media_preflight;
mod media_url;
mod media_url_mistakes;
mod message_fields;
mod message_input;
pub mod message_preview;
mod option_fields;
pub mod register_observed;
mod request_meaning;
mod reused_upload;
mod template_fields;
mod window_check;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

pub use self::accept_error::{AcceptError, InvalidField};
pub use self::message_input::{
    Author, ButtonInput, KeyedRequest, MediaInspection, MessageInput, ReceivedFile, RequestKey,
    Resend, TemplateInput,
};
use crate::db;
use crate::domain::audit_action::{Action, ActionKind};
use crate::domain::campaign::CampaignId;
use crate::domain::erased_name;
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::media::{MediaSource, Upload};
use crate::domain::message::MessageDraft;
use crate::domain::message_warning::MessageWarning;
use crate::domain::provider_account::{Account, WindowPolicy};
use crate::keys::Keys;
use crate::sending::accept::acceptance_state::{AcceptanceQuestion, AcceptanceState};
use crate::sending::accept::acceptance_writer::{AcceptanceWriter, WaitingMessage};
use crate::sending::accept::window_check::WindowVerdict;
use crate::sending::media_check::MediaChecker;
use crate::sending::queue_warnings::QueueWarnings;
use crate::sending::upload_storage::{self, UploadStorage};
use crate::store::Store;
use crate::store::grouped_reads::GroupedReads;
use crate::store::message_acceptance::{Accepted, ErasedKey, IdempotencyKey};

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
    accounts: Arc<BTreeMap<AccountId, Account>>,
    keys: Arc<Keys>,
    uploads: UploadStorage,
    queue_warnings: QueueWarnings,
    states: Arc<GroupedReads<AcceptanceQuestion, AcceptanceState>>,
    media: MediaChecker,
    writer: AcceptanceWriter,
}

impl Acceptor {
    /// Starts the task that stores messages.
    pub fn new(
        store: Store,
        accounts: Arc<BTreeMap<AccountId, Account>>,
        keys: Arc<Keys>,
        uploads: UploadStorage,
        media: MediaChecker,
    ) -> Self {
        Self {
            writer: AcceptanceWriter::start(store.clone()),
            store,
            accounts,
            keys,
            uploads,
            queue_warnings: QueueWarnings::default(),
            states: Arc::default(),
            media,
        }
    }

    /// Whether an account is configured.
    pub fn has_account(&self, account: &AccountId) -> bool {
        self.accounts.contains_key(account)
    }

    /// Messages per second of an account.
    pub fn rate(&self, account: &AccountId) -> Option<f64> {
        self.accounts.get(account)?.rate
    }

    /// How long messages of an account may stay queued.
    pub fn max_queue_time(&self, account: &AccountId) -> Option<TimeDelta> {
        TimeDelta::from_std(self.accounts.get(account)?.max_queue_time).ok()
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

    /// How this account treats free-form messages to recipients whose window is closed.
    pub fn window_policy(&self, account: &AccountId) -> Option<WindowPolicy> {
        Some(self.accounts.get(account)?.window_policy)
    }

    pub(crate) fn accounts(&self) -> &BTreeMap<AccountId, Account> {
        &self.accounts
    }

    /// The hashes that replace the key of a campaign's row after its customer was erased.
    pub fn erased_row_keys(&self, campaign: &CampaignId, row_key: &str) -> Vec<String> {
        self.keys
            .erased_names(&erased_name::row_key_parts(campaign, row_key))
    }

    /// The error if the account refuses this message because its recipient's window is closed.
    pub async fn find_closed_window(
        &self,
        draft: &MessageDraft,
        now: DateTime<Utc>,
    ) -> Result<Option<InvalidField>, db::Error> {
        let Some(account) = self.accounts.get(&draft.account) else {
            return Ok(None);
        };
        if account.window_policy != WindowPolicy::Refuse || draft.template.is_some() {
            return Ok(None);
        }
        let recipient = draft.recipient.digits();
        let events = self.store.find_window_events(&account.id, recipient, now);
        Ok(
            match window_check::judge_window(account, Some(events.await?), now) {
                WindowVerdict::Refused(error) => Some(error),
                WindowVerdict::Accepted | WindowVerdict::Warned(_) => None,
            },
        )
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
        let mut draft = checked.draft.clone();
        let key = key.map(|key| idempotency_key(key, &input, &draft, &self.keys));
        // A repeated request gets the first reply, whatever has changed in the meantime.
        if let Some(key) = &key
            && let Some(accepted) = self.store.find_accepted(&account.id, key).await?
        {
            return StoredMessage::of(accepted, Vec::new(), now);
        }
        let max_queue_time = checked.time_left(now)?;
        let warnings = self
            .list_warnings(&input, &checked, MediaInspection::Full, now)
            .await?;
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
        let action = audited_action(&input, id, account, now);
        let upload = input.upload.is_some().then(|| draft.media.clone());
        let message = WaitingMessage {
            id,
            draft,
            key,
            action,
            max_queue_time,
            silence_limit: TimeDelta::from_std(account.report_deadline).unwrap_or(TimeDelta::MAX),
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
}

/// The audited action of an operator. Messages that programs send are not audited.
fn audited_action(
    input: &MessageInput,
    id: MessageId,
    account: &Account,
    now: DateTime<Utc>,
) -> Option<Action> {
    let (address, action) = match (&input.resend, &input.author) {
        (Some(resend), _) => {
            let action = Action {
                message: Some(resend.of),
                detail: Some(format!("as {id}")),
                ..Action::new(resend.actor.as_str(), ActionKind::Resend, now)
            };
            (&resend.address, action)
        }
        (None, Some(author)) => {
            let action = Action {
                message: Some(id),
                ..Action::new(author.actor.as_str(), ActionKind::Send, now)
            };
            (&author.address, action)
        }
        (None, None) => return None,
    };
    Some(Action {
        account: Some(account.id.clone()),
        address: address.clone(),
        ..action
    })
}

fn idempotency_key(
    key: RequestKey,
    input: &MessageInput,
    draft: &MessageDraft,
    keys: &Keys,
) -> IdempotencyKey {
    let (request_hash, earlier_hash) = match key.request {
        KeyedRequest::Meaning { body_hash } => {
            let hash = request_meaning::hash_meaning(input, draft);
            (hash, Some(body_hash))
        }
        KeyedRequest::Any => (String::new(), None),
    };
    let hashes = std::iter::once(&request_hash).chain(&earlier_hash);
    let hashes = hashes.flat_map(|hash| keys.erased_names(&erased_name::request_hash_parts(hash)));
    let erased = ErasedKey {
        names: keys.erased_names(&erased_name::request_key_parts(&draft.account, &key.name)),
        request_hashes: hashes.collect(),
    };
    IdempotencyKey {
        erased,
        name: key.name,
        request_hash,
        earlier_hash,
    }
}

impl StoredMessage {
    /// `warnings` are about this request; a repeated request gets the first one's, if they are stored.
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
            Accepted::IdempotencyKeyReused => Err(AcceptError::IdempotencyKeyReused),
            Accepted::CampaignCancelled => {
                let error = InvalidField::new("campaign", "was cancelled; use another");
                Err(AcceptError::Invalid(vec![error]))
            }
        }
    }
}
