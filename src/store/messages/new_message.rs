//! The first row of a message: accepted, registered, or known only from callbacks.

use chrono::{DateTime, TimeDelta, Utc};

use crate::db::instant;
use crate::domain::delivery_state::{DeliveryState, QueueState};
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::media::MediaSource;
use crate::domain::message::{DRY_RUN_HOLD, MessageDraft, Origin};
use crate::domain::provider::ProviderId;
use crate::store::entities::message_row::Model;
use crate::store::messages::template_values;

/// What a new row of `messages` needs besides the message itself.
pub(crate) struct NewMessage {
    pub(crate) id: MessageId,
    /// When the message was accepted or first reported.
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) queue: QueueState,
    /// After this instant a queued message fails as expired.
    pub(crate) send_before: Option<DateTime<Utc>>,
    /// How long after the submission or the last status receipt a missing report is normal.
    pub(crate) silence_limit: TimeDelta,
}

impl NewMessage {
    pub(crate) fn of_draft(&self, draft: &MessageDraft) -> Model {
        let mut row = self.bare(&draft.account, draft.provider, draft.origin);
        row.sender.clone_from(&draft.sender);
        set_recipient(&mut row, Some(draft.recipient.digits()));
        row.recipient_name.clone_from(&draft.name);
        row.kind = Some(draft.media.kind);
        match &draft.media.source {
            MediaSource::Url(url) => row.media_url = Some(url.clone()),
            MediaSource::Id(id) => row.media_id = Some(id.clone()),
            MediaSource::Upload(upload) => {
                row.upload_path = Some(upload.path.to_string_lossy().into_owned());
                row.upload_size = i64::try_from(upload.size).ok();
                let token = upload.token.as_ref();
                row.media_token = token.map(|token| token.expose().to_owned());
            }
        }
        row.mime_type.clone_from(&draft.media.mime_type);
        row.caption.clone_from(&draft.media.caption);
        row.reference.clone_from(&draft.references.reference);
        row.reference1.clone_from(&draft.references.reference1);
        row.reference2.clone_from(&draft.references.reference2);
        row.client_reference.clone_from(&draft.client_reference);
        row.wa_source.clone_from(&draft.options.wa_source);
        row.link_source.clone_from(&draft.options.source);
        row.link_with_record = draft.options.link_with_record;
        row.resend_of = draft.resend_of.map(MessageId::uuid);
        row.campaign.clone_from(&draft.campaign);
        if let Some(template) = &draft.template {
            row.template_name = Some(template.name.clone());
            row.template_language.clone_from(&template.language);
            row.template_values = Some(template_values::encode(template));
        }
        row
    }

    /// A row of a message that is to be submitted.
    pub(crate) fn queued(&self, draft: &MessageDraft) -> Model {
        let mut row = self.of_draft(draft);
        if draft.origin == Origin::DryRun {
            // A dry-run message stays queued: it is never due and never expires.
            row.hold = Some(DRY_RUN_HOLD.to_owned());
            row.next_attempt_at = None;
            row.send_before = None;
        }
        row
    }

    /// A row with only the account, the provider and the origin.
    pub(crate) fn bare(&self, account: &AccountId, provider: ProviderId, origin: Origin) -> Model {
        Model {
            id: self.id.uuid(),
            account: account.clone(),
            provider,
            origin,
            sender: None,
            recipient: None,
            recipient_reversed: None,
            recipient_name: None,
            kind: None,
            media_url: None,
            media_id: None,
            upload_path: None,
            upload_size: None,
            mime_type: None,
            caption: None,
            reference: None,
            reference1: None,
            reference2: None,
            client_reference: None,
            wa_source: None,
            link_source: None,
            link_with_record: None,
            queue: self.queue,
            hold: None,
            tries: 0,
            submission_started_at: None,
            next_attempt_at: (self.queue == QueueState::Queued)
                .then(|| instant::to_millis(self.created_at)),
            lease_holder: None,
            lease_until: None,
            send_before: self.send_before.map(instant::to_millis),
            state: DeliveryState::Queued,
            conflict: false,
            silence_limit: self.silence_limit.num_milliseconds(),
            due_at: None,
            adopt_at: None,
            submitted_at: None,
            sent_at: None,
            delivered_at: None,
            read_at: None,
            played_at: None,
            implied_stages: 0,
            failed_at: None,
            failure_code: None,
            failure_title: None,
            failure_detail: None,
            failure_key: None,
            failure_class: None,
            billable: None,
            pricing_category: None,
            pricing_basis: None,
            price: None,
            pricing_type: None,
            price_currency: None,
            deliveries: 0,
            provider_id: None,
            matched_by: None,
            resend_of: None,
            resent_as: None,
            campaign: None,
            created_at: instant::to_millis(self.created_at),
            updated_at: instant::to_millis(self.created_at),
            template_name: None,
            template_language: None,
            template_values: None,
            media_token: None,
            counted_at: None,
            erased_country: None,
        }
    }
}

/// Sets the recipient, and its reversed form for searches by the last digits.
pub(crate) fn set_recipient(row: &mut Model, recipient: Option<&str>) {
    row.recipient = recipient.map(ToOwned::to_owned);
    row.recipient_reversed = recipient.map(|text| text.chars().rev().collect());
}
