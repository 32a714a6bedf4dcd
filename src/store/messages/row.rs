//! Between the row of `messages` and the domain's message.

use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};

use crate::db::{Error, instant};
use crate::domain::delivery::Delivery;
use crate::domain::delivery_state::{DeliveryState, QueueState, Stage};
use crate::domain::failure::Failure;
use crate::domain::failure_codes;
use crate::domain::ids::{AccountId, MessageId, ProviderMessageId};
use crate::domain::media::{Media, MediaSource, Upload};
use crate::domain::message::{
    ListedFailure, Message, MessageDraft, Origin, References, SendOptions,
};
use crate::domain::provider::ProviderId;
use crate::domain::receipt::Pricing;
use crate::store::entities::messages::{Column, Model};

/// What errors call the table.
pub(crate) const TABLE: &str = "messages";

/// The row of a message that was just accepted or just heard of.
pub(crate) struct NewMessage {
    /// Our id.
    pub(crate) id: MessageId,
    /// When we accepted or first heard of it.
    pub(crate) created_at: DateTime<Utc>,
    /// What the queue says.
    pub(crate) queue: QueueState,
    /// Later than this a queued message fails as expired.
    pub(crate) send_before: Option<DateTime<Utc>>,
    /// How long silence after hand-over is normal.
    pub(crate) silence_limit: TimeDelta,
}

impl NewMessage {
    /// The row of a validated draft.
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
        row
    }

    /// The row of a message of which nothing is known yet but its account.
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
            handed_over_at: None,
            next_attempt_at: (self.queue == QueueState::Queued)
                .then(|| instant::write(self.created_at)),
            lease_holder: None,
            lease_until: None,
            send_before: self.send_before.map(instant::write),
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
            provider_id: None,
            matched_by: None,
            resend_of: None,
            resent_as: None,
            created_at: instant::write(self.created_at),
            updated_at: instant::write(self.created_at),
        }
    }
}

/// Sets the recipient and its reversed form, by which the last digits are searched.
pub(crate) fn set_recipient(row: &mut Model, recipient: Option<&str>) {
    row.recipient = recipient.map(ToOwned::to_owned);
    row.recipient_reversed = recipient.map(|text| text.chars().rev().collect());
}

/// Columns that [`apply`] writes, and when that was.
pub(crate) const FOLDED: [Column; 20] = [
    Column::State,
    Column::Conflict,
    Column::DueAt,
    Column::SubmittedAt,
    Column::SentAt,
    Column::DeliveredAt,
    Column::ReadAt,
    Column::PlayedAt,
    Column::ImpliedStages,
    Column::FailedAt,
    Column::FailureCode,
    Column::FailureTitle,
    Column::FailureDetail,
    Column::FailureKey,
    Column::FailureClass,
    Column::Billable,
    Column::PricingCategory,
    Column::PricingBasis,
    Column::Price,
    Column::UpdatedAt,
];

/// Defines a function that compares rows in these columns, and their list.
macro_rules! compare {
    ($name:ident, $list:ident, $($column:ident),+ $(,)?) => {
        /// Whether two rows differ in nothing but what [`apply`] writes.
        pub(crate) fn $name(one: &Model, other: &Model) -> bool {
            $(one.$column == other.$column)&&+
        }

        #[cfg(test)]
        const $list: &[&str] = &[$(stringify!($column)),+];
    };
}

compare!(
    differ_in_fold_only,
    KEPT,
    id,
    account,
    provider,
    origin,
    sender,
    recipient,
    recipient_reversed,
    recipient_name,
    kind,
    media_url,
    media_id,
    upload_path,
    upload_size,
    mime_type,
    caption,
    reference,
    reference1,
    reference2,
    client_reference,
    wa_source,
    link_source,
    link_with_record,
    queue,
    hold,
    tries,
    handed_over_at,
    next_attempt_at,
    lease_holder,
    lease_until,
    send_before,
    silence_limit,
    adopt_at,
    provider_id,
    matched_by,
    resend_of,
    resent_as,
    created_at,
);

/// Writes the result of a fold into the row.
pub(crate) fn apply(
    row: &mut Model,
    provider: ProviderId,
    delivery: &Delivery,
    heard_at: Option<DateTime<Utc>>,
) {
    let at = |stage: Stage| {
        delivery
            .stage(stage)
            .map(|reached| instant::write(reached.at))
    };
    row.state = delivery.state;
    row.conflict = delivery.conflict;
    row.submitted_at = at(Stage::Submitted);
    row.sent_at = at(Stage::Sent);
    row.delivered_at = at(Stage::Delivered);
    row.read_at = at(Stage::Read);
    row.played_at = at(Stage::Played);
    row.implied_stages = implied_stages(delivery);
    let failed = delivery.failure.as_ref();
    let failure = failed
        .map(|failed| failed.failure.clone())
        .unwrap_or_default();
    row.failed_at = failed.map(|failed| instant::write(failed.at));
    row.failure_class =
        failed.map(|failed| failure_codes::describe(provider, &failed.failure).class);
    row.failure_code = failure.code;
    row.failure_title = failure.title;
    row.failure_detail = failure.detail;
    row.failure_key = failure.key;
    row.billable = delivery.pricing.billable;
    row.pricing_category.clone_from(&delivery.pricing.category);
    row.pricing_basis.clone_from(&delivery.pricing.model);
    row.price.clone_from(&delivery.pricing.price);
    let awaited = matches!(
        delivery.state,
        DeliveryState::Submitted | DeliveryState::Sent
    );
    row.due_at = heard_at
        .filter(|_| awaited)
        .map(|at| instant::write(at) + row.silence_limit);
}

/// One bit for each stage that no fact names, by its place in [`Stage::ALL`].
fn implied_stages(delivery: &Delivery) -> i64 {
    Stage::ALL
        .into_iter()
        .filter(|stage| {
            delivery
                .stage(*stage)
                .is_some_and(|reached| reached.implied)
        })
        .fold(0, |bits, stage| bits | stage_bit(stage))
}

fn stage_bit(stage: Stage) -> i64 {
    1 << stage.index()
}

/// When a fact named a stage; absent for a stage that is only implied.
pub(crate) fn told_at(row: &Model, stage: Stage) -> Option<i64> {
    let at = match stage {
        Stage::Queued => None,
        Stage::Submitted => row.submitted_at,
        Stage::Sent => row.sent_at,
        Stage::Delivered => row.delivered_at,
        Stage::Read => row.read_at,
        Stage::Played => row.played_at,
    };
    at.filter(|_| row.implied_stages & stage_bit(stage) == 0)
}

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
        let time = |column, millis| instant::read_optional(TABLE, column, millis);
        let created_at = instant::read(TABLE, "created_at", row.created_at)?;
        let queued_at = row.origin.is_ours().then_some(created_at);
        let stages = [
            queued_at,
            time("submitted_at", row.submitted_at)?,
            time("sent_at", row.sent_at)?,
            time("delivered_at", row.delivered_at)?,
            time("read_at", row.read_at)?,
            time("played_at", row.played_at)?,
        ];
        Ok(Self {
            id: row.id.into(),
            provider: row.provider,
            origin: row.origin,
            failure: listed_failure(&row)?,
            queue: row.queue,
            state: row.state,
            provider_id: row
                .provider_id
                .as_deref()
                .map(ProviderMessageId::parse)
                .transpose()
                .map_err(|_| Error::inconsistent(TABLE, "provider_id", row.id))?,
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
            },
            resend_of: row.resend_of.map(Into::into),
            resent_as: row.resent_as.map(Into::into),
            created_at,
            updated_at: instant::read(TABLE, "updated_at", row.updated_at)?,
        })
    }
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
    }))
}

fn listed_failure(row: &Model) -> Result<Option<ListedFailure>, Error> {
    let Some(at) = instant::read_optional(TABLE, "failed_at", row.failed_at)? else {
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
        .map(|class| ListedFailure { failure, class, at }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sea_orm::{IdenStatic, Iterable};

    use super::*;

    #[test]
    fn every_column_is_either_folded_or_compared() {
        let folded = FOLDED.iter().map(Column::as_str);
        let all: Vec<&str> = folded.chain(KEPT.iter().copied()).collect();
        let once: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(all.len(), once.len());
        assert_eq!(once, Column::iter().map(|it| it.as_str()).collect());
    }
}
