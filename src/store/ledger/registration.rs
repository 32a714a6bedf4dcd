//! Messages that a caller registers rather than sends.

use chrono::{DateTime, TimeDelta, Utc};

use crate::db::{Error, instant};
use crate::domain::delivery_state::{DeliveryState, QueueState, Stage};
use crate::domain::ids::{AccountId, ActionId, MessageId, ProviderMessageId};
use crate::domain::media::MediaKind;
use crate::domain::message::{Origin, References};
use crate::domain::provider::ProviderId;
use crate::domain::receipt::{Pricing, Receipt, ReceiptEvent, SourceKind};
use crate::domain::recipient_spelling;
use crate::store::entities::message_row::Model;
use crate::store::ledger::learned_from::LearnedFrom;
use crate::store::ledger::message_ledger::Ledger;
use crate::store::messages::new_message::{NewMessage, set_recipient};
use crate::store::provider_ids::is_registered;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    pub account: AccountId,
    pub provider: ProviderId,
    pub provider_id: ProviderMessageId,
    /// Digits.
    pub recipient: Option<String>,
    pub kind: Option<MediaKind>,
    pub references: References,
    pub client_reference: Option<String>,
    /// When it was submitted, if the caller states it.
    pub sent_at: Option<DateTime<Utc>>,
    /// How long after the submission or the last status receipt a missing report is normal.
    pub silence_limit: TimeDelta,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Registered {
    /// The message with the provider id.
    pub id: MessageId,
    /// Whether message lists contained it before; they omit orphans.
    pub was_listed: bool,
    pub recipient: RecipientComparison,
}

/// The recipient of a registration, compared with the stored one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecipientComparison {
    /// The same, or none was stored or given.
    Same,
    /// Another recipient is stored, and the given one is ignored.
    Ignored,
    /// Reports named another recipient; the given one replaces it.
    Replaced,
}

impl Ledger {
    /// Registers a message, or finds the one with its id. `None` if that id is constant.
    pub async fn register(&mut self, new: &Registration) -> Result<Option<Registered>, Error> {
        let key = (new.account.clone(), new.provider_id.clone());
        self.load_holders(std::slice::from_ref(&key)).await?;
        if self.is_constant(&new.account, &new.provider_id) {
            return Ok(None);
        }
        let holder = self.holder(&new.account, &new.provider_id);
        let contradicted = holder.is_some_and(|id| self.contradicts(id, new));
        let kept = |id| Registered {
            id,
            was_listed: true,
            recipient: if contradicted {
                RecipientComparison::Ignored
            } else {
                RecipientComparison::Same
            },
        };
        let (id, was_listed) =
            match holder.and_then(|id| self.origin(id).map(|origin| (id, origin))) {
                Some((id, Origin::Api | Origin::DryRun)) => return Ok(Some(kept(id))),
                Some((id, Origin::Observed)) if self.is_registered(id).await? => {
                    return Ok(Some(kept(id)));
                }
                Some((id, origin)) => {
                    self.edit(id, |row| apply_registration(row, new))?;
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
                    apply_registration(&mut row, new);
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
        // Reports have a more exact time of the submission than this registration.
        if new.sent_at.is_some() || !self.is_past_submission(id) {
            let receipt = submitted(new.sent_at, self.now());
            self.add(id, receipt)?;
        }
        Ok(Some(Registered {
            id,
            was_listed,
            recipient: if contradicted {
                RecipientComparison::Replaced
            } else {
                RecipientComparison::Same
            },
        }))
    }

    pub async fn is_registered(&self, id: MessageId) -> Result<bool, Error> {
        is_registered(&self.transaction, id).await
    }

    /// Whether the recipients of a loaded message and a registration differ.
    fn contradicts(&self, id: MessageId, new: &Registration) -> bool {
        let stored = self.row(id).and_then(|row| row.recipient.as_deref());
        stored
            .zip(new.recipient.as_deref())
            .is_some_and(|(stored, given)| !recipient_spelling::is_same_recipient(stored, given))
    }

    /// Whether a loaded message is past its submission, by its receipts.
    fn is_past_submission(&self, id: MessageId) -> bool {
        self.row(id).is_some_and(|row| {
            row.state != DeliveryState::Uncertain && row.state != DeliveryState::Queued
        })
    }
}

/// The caller's values replace those from callbacks.
fn apply_registration(row: &mut Model, new: &Registration) {
    row.origin = Origin::Observed;
    row.adopt_at = None;
    if let Some(sent_at) = new.sent_at {
        row.created_at = instant::to_millis(sent_at);
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

/// A receipt of the stage `submitted`. Without the caller's time, its time is that of the
/// registration.
fn submitted(sent_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Receipt {
    Receipt {
        source_kind: SourceKind::Action,
        source: ActionId::new(now).uuid(),
        part: 0,
        event: ReceiptEvent::Stage(Stage::Submitted),
        occurred_at: sent_at,
        zone_assumed: false,
        received_at: now,
        recipient: None,
        pricing: Pricing::default(),
    }
}
