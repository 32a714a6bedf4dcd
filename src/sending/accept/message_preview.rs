//! Previews a message: the request that its provider would get, and the warnings. Nothing is stored
//! or sent.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::ids::MessageId;
use crate::domain::media::MediaSource;
use crate::domain::message::{MessageDraft, Origin, OutgoingMessage};
use crate::domain::message_warning::MessageWarning;
use crate::domain::provider_account::{Account, AccountMode};
use crate::domain::secret::REDACTED;
use crate::providers::{self, SendStep};
use crate::sending::accept::Acceptor;
use crate::sending::accept::accept_error::AcceptError;
use crate::sending::accept::message_fields;
use crate::sending::accept::message_input::{MediaInspection, MessageInput};
use crate::sending::{transcript, upload_storage};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessagePreview {
    /// Method, URL, headers and body of the first call, with secrets replaced. Ids in it are samples.
    pub request: PreviewedRequest,
    pub warnings: Vec<MessageWarning>,
    /// Whether the message would be submitted.
    pub mode: AccountMode,
    /// How long it may stay queued.
    pub max_queue_time: TimeDelta,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PreviewedRequest {
    Call(String),
    /// Why there is no request.
    Impossible(String),
}

impl Acceptor {
    /// Fails like [`Acceptor::accept`] would.
    pub async fn preview(
        &self,
        input: &MessageInput,
        inspection: MediaInspection,
        now: DateTime<Utc>,
    ) -> Result<MessagePreview, AcceptError> {
        let id = MessageId::new(now);
        let checked = message_fields::check_message(input, &self.accounts, id)
            .map_err(AcceptError::Invalid)?;
        let max_queue_time = checked.time_left(now)?;
        let warnings = self.list_warnings(input, &checked, inspection, now).await?;
        Ok(MessagePreview {
            request: first_request(
                checked.account,
                id,
                checked.draft,
                self.uploads.public_url(),
            ),
            warnings,
            mode: checked.account.mode,
            max_queue_time,
        })
    }
}

fn first_request(
    account: &Account,
    id: MessageId,
    mut draft: MessageDraft,
    public_url: &str,
) -> PreviewedRequest {
    // As it would be sent without dry-run.
    draft.origin = Origin::Api;
    if matches!(draft.media.source, MediaSource::Upload(_))
        && upload_storage::token_for(&draft).is_some()
    {
        draft.media.source = MediaSource::Url(format!("{public_url}/media/{REDACTED}"));
    }
    let outgoing = OutgoingMessage {
        id,
        draft,
        report_url: format!("{public_url}/reports/{REDACTED}"),
    };
    let provider = providers::get(account.provider());
    match provider.send(account, &outgoing, &[]) {
        SendStep::Call(call) => {
            PreviewedRequest::Call(transcript::format_request(&call, account, &[]))
        }
        SendStep::Failed(error) => PreviewedRequest::Impossible(error.failure().text()),
        SendStep::Accepted(_) => {
            PreviewedRequest::Impossible("the provider needs no request".to_owned())
        }
    }
}
