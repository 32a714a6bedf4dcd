//! Reuses the uploaded file of a message that is sent again. Only files that the provider fetches
//! by URL are kept, and only for a time.

use chrono::{DateTime, Utc};

use crate::domain::ids::MessageId;
use crate::domain::media::{MediaSource, Upload};
use crate::domain::message::{Message, MessageDraft};
use crate::sending::accept::{AcceptError, Acceptor, ReceivedFile};
use crate::sending::upload_storage;
use crate::store::ledger::Ledger;

impl Acceptor {
    /// Whether the message has an uploaded file that is not kept any more.
    pub async fn has_lost_upload(&self, message: &Message) -> Result<bool, AcceptError> {
        match upload(message) {
            Some(upload) => Ok(!self.uploads.is_kept(message.id, upload).await?),
            None => Ok(false),
        }
    }

    /// Duplicates the message's uploaded file for a new message; `None` if there is none.
    pub async fn duplicate_upload(
        &self,
        message: &Message,
        now: DateTime<Utc>,
    ) -> Result<Option<ReceivedFile>, AcceptError> {
        let Some(upload) = upload(message) else {
            return Ok(None);
        };
        let id = MessageId::new(now);
        let duplicate = self.uploads.duplicate(message.id, upload, id, now);
        let duplicate = duplicate.await?;
        Ok(duplicate.map(|path| {
            let upload = Upload {
                path,
                ..upload.clone()
            };
            ReceivedFile::of_message(message, upload)
        }))
    }

    /// Gives the uploaded file of `message` to a new message that `ledger` is about to store; false
    /// if the file is not kept any more.
    pub async fn reuse_upload(
        &self,
        ledger: &Ledger,
        message: &Message,
        id: MessageId,
        draft: &mut MessageDraft,
    ) -> Result<bool, AcceptError> {
        let (Some(upload), MediaSource::Upload(_)) = (upload(message), &draft.media.source) else {
            return Ok(true);
        };
        let reused = self.uploads.reuse(ledger, message.id, upload, id).await?;
        let Some(path) = reused else {
            return Ok(false);
        };
        draft.media.source = MediaSource::Upload(Upload {
            path,
            size: upload.size,
            token: upload_storage::token_for(draft),
        });
        Ok(true)
    }
}

fn upload(message: &Message) -> Option<&Upload> {
    match &message.media.as_ref()?.source {
        MediaSource::Upload(upload) => Some(upload),
        MediaSource::Url(_) | MediaSource::Id(_) => None,
    }
}
