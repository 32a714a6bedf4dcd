//! Stores validated messages with their idempotency keys.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use tokio::time::Instant;

use crate::db::connect_options::MAIN_BUSY_TIMEOUT;
use crate::db::{Error, instant, statements};
use crate::domain::audit_action::Action;
use crate::domain::campaign::{Campaign, CampaignId, CampaignState};
use crate::domain::campaign_slots::CampaignSlots;
use crate::domain::delivery_state::QueueState;
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::message::{MessageDraft, Origin};
use crate::domain::message_warning::MessageWarning;
use crate::store::campaigns::PAUSED_HOLD;
use crate::store::entities::{idempotency_key_row, message_row, message_warning_row};
use crate::store::ledger::message_ledger::Ledger;
use crate::store::messages::new_message::NewMessage;
use crate::store::{Store, stored_warnings};

/// The caller's key that makes a request idempotent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdempotencyKey {
    /// At most 255 characters.
    pub name: String,
    /// Hash of the request's content. A request with the same key and another hash is rejected.
    pub request_hash: String,
    /// The hash of the same request in earlier versions.
    pub earlier_hash: Option<String>,
    /// The replacements of name and hashes after an erasure, by the current and the earlier secret
    /// keys.
    pub erased: ErasedKey,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ErasedKey {
    pub names: Vec<String>,
    pub request_hashes: Vec<String>,
}

impl IdempotencyKey {
    /// The names under which it may be stored.
    fn names(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.name).chain(&self.erased.names)
    }

    /// Whether a stored hash is that of this request.
    fn matches_request(&self, stored_hash: &String) -> bool {
        *stored_hash == self.request_hash
            || Some(stored_hash) == self.earlier_hash.as_ref()
            || self.erased.request_hashes.contains(stored_hash)
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Accepted {
    New(MessageId),
    /// An earlier, identical request created this message.
    Replayed {
        message: MessageId,
        created_at: DateTime<Utc>,
        /// The warnings of the first reply; absent for keys of earlier versions.
        warnings: Option<Vec<MessageWarning>>,
    },
    IdempotencyKeyReused,
    /// Its campaign was cancelled; nothing was stored.
    CampaignCancelled,
}

#[derive(Clone, Debug)]
pub struct Acceptance<'a> {
    pub id: MessageId,
    pub draft: &'a MessageDraft,
    pub key: Option<&'a IdempotencyKey>,
    /// The operator action that caused it.
    pub action: Option<&'a Action>,
    /// How long the message may stay queued before it expires.
    pub max_queue_time: TimeDelta,
    /// How long after the submission or the last status receipt a missing report is normal.
    pub silence_limit: TimeDelta,
    /// Stored for the replies to repeated requests, and for the page of the message.
    pub warnings: &'a [MessageWarning],
}

impl Store {
    /// Stores one validated message and its idempotency key.
    pub async fn accept(
        &self,
        acceptance: Acceptance<'_>,
        now: DateTime<Utc>,
    ) -> Result<Accepted, Error> {
        let deadline = Instant::now() + MAIN_BUSY_TIMEOUT;
        let ledger = self.begin_accepting(now, deadline).await?;
        let mut results = self.accept_all(ledger, &[(acceptance, now)]).await?;
        results.pop().unwrap_or(Err(Error::UnexpectedRowCount {
            table: "messages",
            expected: 1,
            touched: 0,
        }))
    }

    /// Begins a transaction for [`Store::accept_all`]: [`Error::TooSlow`] if it cannot begin before
    /// the deadline.
    pub async fn begin_accepting(
        &self,
        now: DateTime<Utc>,
        deadline: Instant,
    ) -> Result<Ledger, Error> {
        self.ledger_before(now, deadline).await
    }

    /// Stores validated messages, each with its idempotency key and the instant of its acceptance,
    /// and commits. The results have the order of the messages: one that cannot be stored fails
    /// alone. If this function fails, nothing was stored, unless the outcome of the commit is
    /// unknown.
    pub async fn accept_all(
        &self,
        ledger: Ledger,
        acceptances: &[(Acceptance<'_>, DateTime<Utc>)],
    ) -> Result<Vec<Result<Accepted, Error>>, Error> {
        let last = acceptances.iter().map(|(_, at)| *at).max();
        let mut ledger = match last {
            Some(now) => ledger.at(now),
            None => ledger,
        };
        match store_all(&mut ledger, acceptances).await {
            Ok(results) => {
                let is_new =
                    |result: &Result<Accepted, Error>| matches!(result, Ok(Accepted::New(_)));
                if results.iter().any(is_new) {
                    self.commit(ledger).await?;
                } else {
                    ledger.roll_back().await;
                }
                Ok(results)
            }
            Err(error) => {
                ledger.roll_back().await;
                Err(error)
            }
        }
    }

    /// The result of an earlier request with this key; absent if there was none.
    pub async fn find_accepted(
        &self,
        account: &AccountId,
        key: &IdempotencyKey,
    ) -> Result<Option<Accepted>, Error> {
        let stored = idempotency_key_row::Entity::find()
            .filter(idempotency_key_row::Column::Account.eq(account))
            .filter(idempotency_key_row::Column::Name.is_in(key.names()))
            .one(self.pools().reader())
            .await?;
        stored.map(|row| earlier_result(&row, key)).transpose()
    }
}

/// The campaigns of new messages.
#[derive(Debug, Default)]
struct Campaigns(BTreeMap<CampaignId, (Campaign, Option<CampaignSlots>)>);

impl Campaigns {
    /// Finds the campaign of a message, creates it, or sets it to running again; returns its state.
    async fn find(
        &mut self,
        ledger: &mut Ledger,
        draft: &MessageDraft,
    ) -> Result<Option<CampaignState>, Error> {
        let Some(id) = &draft.campaign else {
            return Ok(None);
        };
        if !self.0.contains_key(id) {
            let campaign = ledger.find_or_create_campaign(id, draft).await?;
            let slots = match campaign.rate {
                Some(rate) => {
                    let unsent = ledger.count_unsent(id).await?;
                    let now = ledger.now();
                    Some(CampaignSlots::new(&campaign, rate, unsent, now))
                }
                None => None,
            };
            self.0.insert(id.clone(), (campaign, slots));
        }
        Ok(self.0.get(id).map(|(campaign, _)| campaign.state))
    }

    /// When the campaign's rate allows its next message.
    fn next_submit_at(&mut self, id: Option<&CampaignId>, now: DateTime<Utc>) -> DateTime<Utc> {
        let slots = id.and_then(|id| self.0.get_mut(id)?.1.as_mut());
        slots.map_or(now, CampaignSlots::take_next)
    }

    async fn store(self, ledger: &mut Ledger) -> Result<(), Error> {
        for (mut campaign, slots) in self.0.into_values() {
            if let Some(slots) = slots {
                slots.store_in(&mut campaign);
                ledger.update_campaign(&campaign).await?;
            }
        }
        Ok(())
    }
}

/// Stored keys, and keys of messages that are about to be stored.
type KnownKeys = HashMap<(AccountId, String), idempotency_key_row::Model>;

async fn store_all(
    ledger: &mut Ledger,
    acceptances: &[(Acceptance<'_>, DateTime<Utc>)],
) -> Result<Vec<Result<Accepted, Error>>, Error> {
    let mut known_keys = find_keys(ledger, acceptances).await?;
    let resent: Vec<MessageId> = acceptances
        .iter()
        .filter_map(|(acceptance, _)| acceptance.draft.resend_of)
        .collect();
    ledger.load(&resent).await?;
    let mut keys = Vec::new();
    let mut warnings = Vec::new();
    let mut campaigns = Campaigns::default();
    let mut results = Vec::with_capacity(acceptances.len());
    for (acceptance, now) in acceptances {
        let key = acceptance.key.map(|key| key_row(acceptance, key, *now));
        let account = &acceptance.draft.account;
        let earlier = acceptance.key.and_then(|key| {
            key.names()
                .find_map(|name| known_keys.get(&(account.clone(), name.clone())))
        });
        if let (Some(earlier), Some(key)) = (earlier, acceptance.key) {
            results.push(earlier_result(earlier, key));
            continue;
        }
        if let Some(again) = find_resend(ledger, acceptance, *now) {
            results.push(Ok(again));
            continue;
        }
        let campaign = campaigns.find(ledger, acceptance.draft).await?;
        if campaign == Some(CampaignState::Cancelled) && acceptance.draft.resend_of.is_none() {
            results.push(Ok(Accepted::CampaignCancelled));
            continue;
        }
        // Before anything is added, because this message may fail without the others.
        if let Some(resent) = acceptance.draft.resend_of
            && let Err(error) = ledger.note_resend(resent, acceptance.id)
        {
            results.push(Err(error));
            continue;
        }
        if let Some(row) = key {
            known_keys.insert((row.account.clone(), row.name.clone()), row.clone());
            keys.push(row);
        }
        let submit_at = campaigns.next_submit_at(acceptance.draft.campaign.as_ref(), *now);
        ledger.insert(message_row(acceptance, *now, submit_at, campaign));
        warnings.extend(stored_warnings::row(acceptance.id, acceptance.warnings));
        if let Some(action) = acceptance.action {
            ledger.record_action(action).await?;
        }
        results.push(Ok(Accepted::New(acceptance.id)));
    }
    campaigns.store(ledger).await?;
    let keys: Vec<&idempotency_key_row::Model> = keys.iter().collect();
    statements::insert::<idempotency_key_row::Entity>(ledger.transaction(), &keys, "").await?;
    let warnings: Vec<&message_warning_row::Model> = warnings.iter().collect();
    statements::insert::<message_warning_row::Entity>(ledger.transaction(), &warnings, "").await?;
    Ok(results)
}

async fn find_keys(
    ledger: &Ledger,
    acceptances: &[(Acceptance<'_>, DateTime<Utc>)],
) -> Result<KnownKeys, Error> {
    let keyed = || {
        acceptances
            .iter()
            .filter_map(|(acceptance, _)| Some((&acceptance.draft.account, acceptance.key?)))
    };
    let accounts: BTreeSet<&AccountId> = keyed().map(|(account, _)| account).collect();
    let names = keyed().flat_map(|(_, key)| key.names());
    let mut names: Vec<&str> = names.map(String::as_str).collect();
    let Some(last) = names.last().copied() else {
        return Ok(KnownKeys::new());
    };
    // Few different lengths, so that cached statements are reused.
    names.resize(names.len().next_power_of_two(), last);
    let rows = idempotency_key_row::Entity::find()
        .filter(idempotency_key_row::Column::Account.is_in(accounts))
        .filter(idempotency_key_row::Column::Name.is_in(names))
        .all(ledger.transaction())
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| ((row.account.clone(), row.name.clone()), row))
        .collect())
}

fn key_row(
    acceptance: &Acceptance<'_>,
    key: &IdempotencyKey,
    now: DateTime<Utc>,
) -> idempotency_key_row::Model {
    idempotency_key_row::Model {
        account: acceptance.draft.account.clone(),
        name: key.name.clone(),
        request_hash: key.request_hash.clone(),
        message: acceptance.id.uuid(),
        created_at: instant::to_millis(now),
        warnings: Some(stored_warnings::write(acceptance.warnings)),
    }
}

/// The message that already resends the same one.
fn find_resend(
    ledger: &Ledger,
    acceptance: &Acceptance<'_>,
    now: DateTime<Utc>,
) -> Option<Accepted> {
    let resent = ledger.row(acceptance.draft.resend_of?)?;
    let message = MessageId::from(resent.resent_as?);
    Some(Accepted::Replayed {
        message,
        created_at: message.created_at().unwrap_or(now),
        warnings: None,
    })
}

fn message_row(
    acceptance: &Acceptance<'_>,
    now: DateTime<Utc>,
    submit_at: DateTime<Utc>,
    campaign: Option<CampaignState>,
) -> message_row::Model {
    let draft = acceptance.draft;
    let new = NewMessage {
        id: acceptance.id,
        created_at: now,
        queue: QueueState::Queued,
        send_before: Some(submit_at + acceptance.max_queue_time),
        silence_limit: acceptance.silence_limit,
    };
    let mut row = new.queued(draft);
    row.next_attempt_at = row.next_attempt_at.map(|_| instant::to_millis(submit_at));
    if campaign == Some(CampaignState::Paused) && draft.origin != Origin::DryRun {
        row.hold = Some(PAUSED_HOLD.to_owned());
        row.next_attempt_at = None;
    }
    row
}

/// The result for a request with a key that is already stored.
fn earlier_result(
    stored: &idempotency_key_row::Model,
    key: &IdempotencyKey,
) -> Result<Accepted, Error> {
    if !key.matches_request(&stored.request_hash) {
        return Ok(Accepted::IdempotencyKeyReused);
    }
    Ok(Accepted::Replayed {
        message: stored.message.into(),
        created_at: instant::from_millis("idempotency_keys", "created_at", stored.created_at)?,
        warnings: stored.warnings.as_deref().map(stored_warnings::read),
    })
}
