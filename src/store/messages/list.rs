//! The list of messages: filters, the one search box, and pages by keyset, newest first. How they are found is `query`'s matter.

use chrono::{DateTime, Utc};
use sea_orm::Select;

use crate::domain::delivery::DeliveryState;
use crate::domain::failure::FailureClass;
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::media::MediaKind;
use crate::domain::message::{Message, Origin};
use crate::domain::provider::ProviderId;
use crate::store::entities::messages::{Entity, Model};
use crate::store::messages::query::{Common, Lead, RARE, beyond_reference, beyond_search, listed};
use crate::store::{Error, Store};

/// Which messages to list; every given condition must hold. Messages known only from callbacks are never listed here.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MessageFilter {
    /// Account.
    pub account: Option<AccountId>,
    /// Provider.
    pub provider: Option<ProviderId>,
    /// Business number, `+` and digits.
    pub sender: Option<String>,
    /// Any of these states; empty for all.
    pub states: Vec<DeliveryState>,
    /// Image or video.
    pub kind: Option<MediaKind>,
    /// The customer's whole number, digits.
    pub recipient: Option<String>,
    /// Exactly this text in any reference slot or as client reference.
    pub reference: Option<String>,
    /// Any id that the provider used.
    pub provider_id: Option<String>,
    /// Failure code.
    pub code: Option<String>,
    /// Failure class.
    pub class: Option<FailureClass>,
    /// On the phone and reported as failed, or not.
    pub conflict: Option<bool>,
    /// Overdue at this instant.
    pub overdue_at: Option<DateTime<Utc>>,
    /// Not overdue at this instant.
    pub on_time_at: Option<DateTime<Utc>>,
    /// How we came to know it.
    pub origin: Option<Origin>,
    /// Sent again as a new message, or not.
    pub resent: Option<bool>,
    /// Put aside by an operator, or not.
    pub put_aside: Option<bool>,
    /// Created at or after.
    pub created_after: Option<DateTime<Utc>>,
    /// Created before.
    pub created_before: Option<DateTime<Utc>>,
    /// The search box; any of these fits.
    pub search: Vec<Search>,
}

/// One reading of what was typed into the search box.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Search {
    /// Our id.
    Id(MessageId),
    /// A provider's id, whole.
    ProviderId(String),
    /// The customer's whole number, digits.
    Phone(String),
    /// How the customer's number begins, digits.
    PhonePrefix(String),
    /// How the customer's number ends, digits.
    PhoneSuffix(String),
    /// How a reference begins.
    ReferencePrefix(String),
}

/// Where a page ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    /// Creation of the last message shown.
    pub created_at: DateTime<Utc>,
    /// Its id.
    pub id: MessageId,
}

/// One page, newest first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// The messages.
    pub messages: Vec<Message>,
    /// Where the next page starts; absent on the last.
    pub next: Option<Cursor>,
}

impl Store {
    /// A page of at most `limit` messages older than `after`.
    pub async fn list_messages(
        &self,
        filter: &MessageFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, Error> {
        let wanted = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let lead = self.lead(filter, RARE).await?;
        let rows = listed(filter, lead, after, wanted)
            .all(self.pools().reader())
            .await?;
        let mut page = Page::of(rows, limit)?;
        self.explain_waiting(&mut page.messages).await?;
        Ok(page)
    }

    /// What a list is found by; a text only where no more than `rare` messages have it.
    pub(super) async fn lead(&self, filter: &MessageFilter, rare: u64) -> Result<Lead, Error> {
        let lead = Lead::of(filter, Common::default());
        if !matches!(lead, Lead::Search | Lead::Reference) {
            return Ok(lead);
        }
        let common = Common {
            search: self.finds_any(beyond_search(filter, rare)).await?,
            reference: self.finds_any(beyond_reference(filter, rare)).await?,
        };
        Ok(Lead::of(filter, common))
    }

    async fn finds_any(
        &self,
        queries: impl Iterator<Item = Select<Entity>>,
    ) -> Result<bool, Error> {
        for query in queries {
            let found = query.into_tuple::<i32>().one(self.pools().reader()).await?;
            if found.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Page {
    /// The first `limit` of the rows; one more was asked for to know whether there are more.
    pub(crate) fn of(rows: Vec<Model>, limit: usize) -> Result<Self, Error> {
        let more = rows.len() > limit;
        let messages = rows
            .into_iter()
            .take(limit)
            .map(Message::try_from)
            .collect::<Result<Vec<_>, _>>()?;
        let next = messages.last().filter(|_| more).map(|last| Cursor {
            created_at: last.created_at,
            id: last.id,
        });
        Ok(Self { messages, next })
    }
}
