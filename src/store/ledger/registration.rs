//! Messages that a caller registers rather than sends.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use crate::domain::delivery::{Fact, Pricing, QueueWord, Receipt, SourceKind, Stage};
use crate::domain::ids::{AccountId, ActionId, MessageId, ProviderMessageId};
use crate::domain::media::MediaKind;
use crate::domain::message::{Origin, References};
use crate::domain::provider::ProviderId;
use crate::store::entities::messages::Model;
use crate::store::entities::provider_ids;
use crate::store::ledger::{LearnedFrom, Ledger};
use crate::store::messages::row::{self, NewMessage};
use crate::store::{Error, instant};

/// A checked registration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    /// Its account.
    pub account: AccountId,
    /// That account's provider.
    pub provider: ProviderId,
    /// The id that the provider gave it.
    pub provider_id: ProviderMessageId,
    /// The customer's number, digits.
    pub recipient: Option<String>,
    /// Image or video.
    pub kind: Option<MediaKind>,
    /// The caller's texts.
    pub references: References,
    /// The caller's own reference.
    pub client_reference: Option<String>,
    /// When it was handed to the provider, as the caller says.
    pub sent_at: DateTime<Utc>,
    /// How long silence is normal.
    pub silence_limit: TimeDelta,
}

impl Ledger {
    /// Registers a message, or finds the one that holds its id; tells whether that was listed before.
    pub async fn register(&mut self, new: &Registration) -> Result<(MessageId, bool), Error> {
        let key = (new.account.clone(), new.provider_id.clone());
        self.load_holders(std::slice::from_ref(&key)).await?;
        let holder = self.holder(&new.account, &new.provider_id);
        let listed = match holder.and_then(|id| self.origin(id).map(|origin| (id, origin))) {
            Some((id, Origin::Api | Origin::DryRun)) => return Ok((id, true)),
            Some((id, Origin::Observed)) if self.is_registered(id).await? => return Ok((id, true)),
            Some((id, origin)) => {
                self.edit(id, |row| take_over(row, new))?;
                (id, origin == Origin::Observed)
            }
            None => {
                let id = MessageId::new(self.now());
                let bare = NewMessage {
                    id,
                    created_at: new.sent_at,
                    queue: QueueWord::Done,
                    send_before: None,
                    silence_limit: new.silence_limit,
                };
                let mut row = bare.bare(&new.account, new.provider, Origin::Observed);
                take_over(&mut row, new);
                self.insert(row);
                (id, false)
            }
        };
        let (id, _) = listed;
        self.bind(
            id,
            &new.account,
            &new.provider_id,
            LearnedFrom::Registration,
        )
        .await?;
        let receipt = submitted(new.sent_at, self.now());
        self.add(id, receipt)?;
        Ok(listed)
    }

    /// Whether a caller registered a message.
    pub(crate) async fn is_registered(&self, id: MessageId) -> Result<bool, Error> {
        let ids = provider_ids::Entity::find()
            .filter(provider_ids::Column::Message.eq(id.uuid()))
            .filter(provider_ids::Column::LearnedFrom.eq(LearnedFrom::Registration.as_str()))
            .count(self.transaction())
            .await?;
        Ok(ids > 0)
    }
}

/// What the caller knows beats what a callback guessed.
fn take_over(row: &mut Model, new: &Registration) {
    Origin::Observed.as_str().clone_into(&mut row.origin);
    row.adopt_at = None;
    row.created_at = instant::write(new.sent_at);
    if let Some(recipient) = &new.recipient {
        row::set_recipient(row, Some(recipient));
    }
    if let Some(kind) = new.kind {
        row.kind = Some(kind.as_str().to_owned());
    }
    row.reference.clone_from(&new.references.reference);
    row.reference1.clone_from(&new.references.reference1);
    row.reference2.clone_from(&new.references.reference2);
    row.client_reference.clone_from(&new.client_reference);
}

/// The caller's word that the provider has it.
fn submitted(sent_at: DateTime<Utc>, now: DateTime<Utc>) -> Receipt {
    Receipt {
        source_kind: SourceKind::Action,
        source: ActionId::new(now).uuid(),
        part: 0,
        fact: Fact::Stage(Stage::Submitted),
        occurred_at: Some(sent_at),
        received_at: now,
        recipient: None,
        pricing: Pricing::default(),
    }
}
