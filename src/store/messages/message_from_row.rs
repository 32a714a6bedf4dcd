//! Converts a row of `messages` to the domain's message.

use std::path::PathBuf;

use uuid::Uuid;

use crate::db::{Error, instant};
use crate::domain::failure::Failure;
use crate::domain::ids::ProviderMessageId;
use crate::domain::media::{Media, MediaSource, Upload};
use crate::domain::message::{Message, MessageFailure, References, SendOptions};
use crate::domain::receipt::Pricing;
use crate::domain::secret::Secret;
use crate::store::entities::message_row::Model;
use crate::store::messages::template_values;

/// The table's name in errors.
pub(super) const TABLE: &str = "messages";

impl TryFrom<Model> for Message {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        let media = row
            .kind
            .zip(media_source(&row))
            .map(|(kind, source)| Media {
                kind,
                source,
                mime_type: row.mime_type.clone(),
                caption: row.caption.clone(),
            });
        let time = |column, millis| instant::from_optional_millis(TABLE, column, millis);
        let created_at = instant::from_millis(TABLE, "created_at", row.created_at)?;
        let queued_at = row.origin.is_ours().then_some(created_at);
        let stages = [
            queued_at,
            time("submitted_at", row.submitted_at)?,
            time("sent_at", row.sent_at)?,
            time("delivered_at", row.delivered_at)?,
            time("read_at", row.read_at)?,
            time("played_at", row.played_at)?,
        ];
        let template = template_values::decode(&row)?;
        Ok(Self {
            id: row.id.into(),
            provider: row.provider,
            origin: row.origin,
            failure: message_failure(&row)?,
            queue: row.queue,
            state: row.state,
            provider_id: parse_provider_id(row.id, row.provider_id.as_deref())?,
            matched_by: row.matched_by,
            account: row.account,
            sender: row.sender,
            recipient: row.recipient,
            name: row.recipient_name,
            kind: row.kind,
            media,
            references: References {
                reference: row.reference,
                reference1: row.reference1,
                reference2: row.reference2,
            },
            client_reference: row.client_reference,
            options: SendOptions {
                wa_source: row.wa_source,
                source: row.link_source,
                link_with_record: row.link_with_record,
            },
            hold: row.hold,
            conflict: row.conflict,
            due_at: time("due_at", row.due_at)?,
            stages,
            pricing: Pricing {
                billable: row.billable,
                category: row.pricing_category,
                model: row.pricing_basis,
                price: row.price,
                kind: row.pricing_type,
                currency: row.price_currency,
                raw: None,
            },
            erased_country: row.erased_country,
            deliveries: row.deliveries,
            resend_of: row.resend_of.map(Into::into),
            resent_as: row.resent_as.map(Into::into),
            campaign: row.campaign,
            created_at,
            counted_at: time("counted_at", row.counted_at)?.unwrap_or(created_at),
            updated_at: instant::from_millis(TABLE, "updated_at", row.updated_at)?,
            template,
        })
    }
}

pub(super) fn parse_provider_id(
    message: Uuid,
    text: Option<&str>,
) -> Result<Option<ProviderMessageId>, Error> {
    text.map(ProviderMessageId::parse_stored)
        .transpose()
        .map_err(|_| Error::inconsistent(TABLE, "provider_id", message))
}

fn media_source(row: &Model) -> Option<MediaSource> {
    if let Some(url) = &row.media_url {
        return Some(MediaSource::Url(url.clone()));
    }
    if let Some(id) = &row.media_id {
        return Some(MediaSource::Id(id.clone()));
    }
    let path = row.upload_path.as_ref()?;
    let size = row.upload_size.and_then(|size| u64::try_from(size).ok())?;
    Some(MediaSource::Upload(Upload {
        path: PathBuf::from(path),
        size,
        token: row.media_token.clone().map(Secret::new),
    }))
}

fn message_failure(row: &Model) -> Result<Option<MessageFailure>, Error> {
    let Some(at) = instant::from_optional_millis(TABLE, "failed_at", row.failed_at)? else {
        return Ok(None);
    };
    let failure = Failure {
        code: row.failure_code.clone(),
        title: row.failure_title.clone(),
        detail: row.failure_detail.clone(),
        key: row.failure_key.clone(),
    };
    Ok(row
        .failure_class
        .map(|class| MessageFailure { failure, class, at }))
}
