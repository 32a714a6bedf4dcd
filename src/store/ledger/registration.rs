//! Messages that a caller registers rather than sends.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use crate::db::{Error, instant};
use crate::domain::delivery_state::{DeliveryState, QueueState, Stage};
use crate::domain::ids::{AccountId, ActionId, MessageId, ProviderMessageId};
use crate::domain::media::MediaKind;
use crate::domain::message::{Origin, References};
use crate::domain::phone;
use crate::domain::provider::ProviderId;
use crate::domain::receipt::{Pricing, Receipt, ReceiptEvent, SourceKind};
use crate::store::entities::message_row::Model;
use crate::store::entities::provider_id_row::{self, IdSource};
use crate::store::ledger::id_binding::LearnedFrom;
use crate::store::ledger::message_ledger::Ledger;
use crate::store::messages::new_message::{NewMessage, set_recipient};

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
    /// When it was handed to the provider, where the caller says it.
    pub sent_at: Option<DateTime<Utc>>,
    /// How long silence is normal.
    pub silence_limit: TimeDelta,
}

/// What a registration came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entered {
    /// The message that holds the id.
    pub id: MessageId,
    /// Whether it was listed before.
    pub was_listed: bool,
    /// What became of a recipient that is not the one known before.
    pub recipient: RecipientGiven,
}

/// How the recipient of a registration stands to what was known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecipientGiven {
    /// Nothing contradicts it.
    Fits,
    /// The message is known with another one, which stays.
    Dropped,
    /// Reports named another one; the caller's is shown.
    Replaces,
}

impl Ledger {
    /// Registers a message, or finds the one that holds its id.
    pub async fn register(&mut self, new: &Registration) -> Result<Entered, Error> {
        let key = (new.account.clone(), new.provider_id.clone());
        self.load_holders(std::slice::from_ref(&key)).await?;
        let holder = self.holder(&new.account, &new.provider_id);
        let contradicted = holder.is_some_and(|id| self.contradicts(id, new));
        let kept = |id| Entered {
            id,
            was_listed: true,
            recipient: if contradicted {
                RecipientGiven::Dropped
            } else {
                RecipientGiven::Fits
            },
        };
        let (id, was_listed) = match holder
            .and_then(|id| self.origin(id).map(|origin| (id, origin)))
        {
            Some((id, Origin::Api | Origin::DryRun)) => return Ok(kept(id)),
            Some((id, Origin::Observed)) if self.is_registered(id).await? => return Ok(kept(id)),
            Some((id, origin)) => {
                self.edit(id, |row| take_over(row, new))?;
                (id, origin == Origin::Observed)
            }
            None => {
                let id = MessageId::new(self.now());
                let bare = NewMessage {
                    id,
                    created_at: new.sent_at.unwrap_or(self.now()),
                    queue: QueueState::Done,
                    send_before: None,
                    silence_limit: new.silence_limit,
                };
                let mut row = bare.bare(&new.account, new.provider, Origin::Observed);
                take_over(&mut row, new);
                self.insert(row);
                (id, false)
            }
        };
        self.bind(
            id,
            &new.account,
            &new.provider_id,
            LearnedFrom::Registration,
        )
        .await?;
        // Without a time of the caller's, reports that are there already tell more truly when the provider had it.
        if new.sent_at.is_some() || !self.is_reported(id) {
            let receipt = submitted(new.sent_at, self.now());
            self.add(id, receipt)?;
        }
        Ok(Entered {
            id,
            was_listed,
            recipient: if contradicted {
                RecipientGiven::Replaces
            } else {
                RecipientGiven::Fits
            },
        })
    }

    /// Whether a loaded message is known with another recipient than a registration names.
    fn contradicts(&self, id: MessageId, new: &Registration) -> bool {
        let known = self.row(id).and_then(|row| row.recipient.as_deref());
        known
            .zip(new.recipient.as_deref())
            .is_some_and(|(known, given)| !phone::is_same_recipient(known, given))
    }

    /// Whether a fact about a loaded message says how far it got.
    fn is_reported(&self, id: MessageId) -> bool {
        self.row(id).is_some_and(|row| {
            row.state != DeliveryState::Uncertain && row.state != DeliveryState::Queued
        })
    }

    /// Whether a caller registered a message.
    pub(crate) async fn is_registered(&self, id: MessageId) -> Result<bool, Error> {
        let ids = provider_id_row::Entity::find()
            .filter(provider_id_row::Column::Message.eq(id.uuid()))
            .filter(provider_id_row::Column::LearnedFrom.eq(IdSource::Registration))
            .count(self.transaction())
            .await?;
        Ok(ids > 0)
    }
}

/// What the caller knows beats what a callback guessed.
fn take_over(row: &mut Model, new: &Registration) {
    row.origin = Origin::Observed;
    row.adopt_at = None;
    if let Some(sent_at) = new.sent_at {
        row.created_at = instant::write(sent_at);
    }
    if let Some(recipient) = &new.recipient {
        set_recipient(row, Some(recipient));
    }
    if let Some(kind) = new.kind {
        row.kind = Some(kind);
    }
    row.reference.clone_from(&new.references.reference);
    row.reference1.clone_from(&new.references.reference1);
    row.reference2.clone_from(&new.references.reference2);
    row.client_reference.clone_from(&new.client_reference);
}

/// The caller's word that the provider has it; without the caller's time it is inferred from when we were told.
fn submitted(sent_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Receipt {
    Receipt {
        source_kind: SourceKind::Action,
        source: ActionId::new(now).uuid(),
        part: 0,
        event: ReceiptEvent::Stage(Stage::Submitted),
        occurred_at: sent_at,
        received_at: now,
        recipient: None,
        pricing: Pricing::default(),
    }
}
