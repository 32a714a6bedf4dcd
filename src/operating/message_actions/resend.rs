//! Sends a message again, as a new message.

use crate::domain::campaign::{CampaignId, CampaignMedia};
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::MessageId;
use crate::domain::media::MediaSource;
use crate::domain::message::Message;
use crate::domain::template::Template;
use crate::operating::action_context::{ActionContext, ActionError};
use crate::sending::accept::{
    Acceptor, ButtonInput, KeyedRequest, MessageInput, ReceivedFile, RequestKey, Resend,
    TemplateInput,
};
use crate::store::Store;
use crate::store::messages::FoundMessage;

/// Media that replaces that of the message.
#[derive(Clone, Debug)]
pub enum ResendMedia {
    /// A URL, or a media id of the provider.
    Reference(CampaignMedia),
    File {
        file: ReceivedFile,
        mime_type: Option<String>,
    },
}

/// Creates a new message with `resend_of`, once per message: a second call cannot send twice.
pub async fn resend(
    store: &Store,
    acceptor: &Acceptor,
    id: MessageId,
    media: Option<ResendMedia>,
    context: &ActionContext<'_>,
) -> Result<MessageId, ActionError> {
    let message = match store.find_message(id).await? {
        Some(FoundMessage::Message(message)) => *message,
        Some(FoundMessage::Merged(survivor)) => return Err(ActionError::Merged(survivor)),
        None => return Err(ActionError::NotFound("message")),
    };
    if let Some(resent_as) = message.resent_as {
        return Err(ActionError::NotPossible(format!(
            "it was already resent, as {resent_as}"
        )));
    }
    if !matches!(
        message.state,
        DeliveryState::Uncertain | DeliveryState::Failed | DeliveryState::Cancelled
    ) {
        let reason = "only a message that is uncertain, failed or cancelled can be sent again";
        return Err(ActionError::NotPossible(reason.to_owned()));
    }
    let resend = Resend {
        of: id,
        actor: context.actor.name.to_owned(),
        address: context.actor.address.map(str::to_owned),
    };
    let (replacement, upload) = match media {
        None => (None, None),
        Some(ResendMedia::Reference(media)) => (Some(media), None),
        Some(ResendMedia::File { file, mime_type }) => {
            let media = CampaignMedia {
                mime_type,
                ..CampaignMedia::default()
            };
            (Some(media), Some(file))
        }
    };
    let mut input = message_input(&message, resend, replacement.as_ref())?;
    if input.upload.is_some() {
        let duplicate = acceptor.duplicate_upload(&message, context.now).await?;
        input.upload = Some(duplicate.ok_or_else(lost_upload_error)?);
    }
    if upload.is_some() {
        input.upload = upload;
    }
    // The idempotency key makes two simultaneous calls create one message.
    let key = RequestKey {
        name: format!("resend of {id}"),
        request: KeyedRequest::Any,
    };
    let receipt = acceptor.accept(input, Some(key), context.now).await?;
    Ok(receipt.id)
}

/// The input that sends the message again, with other media if given.
pub(in crate::operating) fn message_input(
    message: &Message,
    resend: Resend,
    replacement: Option<&CampaignMedia>,
) -> Result<MessageInput, ActionError> {
    let incomplete = || {
        // Only an erasure removes the content of a message that was accepted here.
        let reason = if message.origin.is_ours() {
            "the data of its customer was erased"
        } else {
            "it was not sent by Bluetick, so its content is unknown"
        };
        ActionError::NotPossible(reason.to_owned())
    };
    let media = message.media.as_ref().ok_or_else(incomplete)?;
    let recipient = message.recipient.as_ref().ok_or_else(incomplete)?;
    let mut upload = None;
    let (media_url, media_id, mime_type) = match (replacement, &media.source) {
        (Some(new), _) => (new.url.clone(), new.id.clone(), new.mime_type.clone()),
        (None, MediaSource::Url(url)) => (Some(url.clone()), None, media.mime_type.clone()),
        (None, MediaSource::Id(id)) => (None, Some(id.clone()), media.mime_type.clone()),
        (None, MediaSource::Upload(stored)) => {
            if stored.token.is_none() {
                // It was deleted after the submission.
                return Err(lost_upload_error());
            }
            upload = Some(ReceivedFile::of_message(message, stored.clone()));
            (None, None, media.mime_type.clone())
        }
    };
    let options = [
        (
            "wa_source",
            message.options.wa_source.clone().map(Into::into),
        ),
        ("source", message.options.source.clone().map(Into::into)),
        (
            "linkWithRecord",
            message.options.link_with_record.map(Into::into),
        ),
    ];
    Ok(MessageInput {
        account: message.account.to_string(),
        from: message.sender.clone(),
        to: format!("+{recipient}"),
        recipient_name: message.name.clone(),
        kind: media.kind.to_string(),
        media_url,
        media_id,
        upload,
        mime_type,
        caption: media.caption.clone(),
        references: message.references.clone(),
        client_reference: message.client_reference.clone(),
        options: options
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect(),
        campaign: message.campaign.as_ref().map(CampaignId::to_string),
        send_before: None,
        resend: Some(resend),
        author: None,
        template: message.template.as_ref().map(template_input),
    })
}

pub(in crate::operating) fn lost_upload_error() -> ActionError {
    let reason = "its uploaded file is no longer stored; send it as a new message";
    ActionError::NotPossible(reason.to_owned())
}

fn template_input(template: &Template) -> TemplateInput {
    TemplateInput {
        name: template.name.clone(),
        language: template.language.clone(),
        body: template.body.clone(),
        buttons: template
            .buttons
            .iter()
            .map(|button| ButtonInput {
                kind: button.kind.to_string(),
                index: Some(button.index),
                value: button.value.clone(),
            })
            .collect(),
    }
}
