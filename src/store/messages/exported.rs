//! Messages as exports tell them: the same that are listed, without what no export tells, and decoded only when they are written.

use crate::db::statements::{self, EncodedRows};
use crate::db::{Error, instant};
use crate::domain::delivery_state::DeliveryState;
use crate::domain::failure::FailureClass;
use crate::domain::ids::{AccountId, MessageId, ProviderMessageId};
use crate::domain::media::MediaKind;
use crate::domain::message::{Origin, References};
use crate::domain::provider::ProviderId;
use crate::store::Store;
use crate::store::entities::exported_messages::{Entity, Model};
use crate::store::messages::filter::{Cursor, MessageFilter};
use crate::store::messages::lead::{Lead, RARE};
use crate::store::messages::query::listed;
use crate::store::messages::row::TABLE;
use chrono::{DateTime, Utc};

/// What an export tells of a message; the fields are those of [`crate::domain::message::Message`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportedMessage {
    /// Our id.
    pub id: MessageId,
    /// The account it went through.
    pub account: AccountId,
    /// That account's provider.
    pub provider: ProviderId,
    /// How we came to know it.
    pub origin: Origin,
    /// Business number, `+` and digits.
    pub sender: Option<String>,
    /// Customer: phone digits, or whatever a callback named.
    pub recipient: Option<String>,
    /// The customer's name.
    pub name: Option<String>,
    /// Image or video; absent where only callbacks told of it.
    pub kind: Option<MediaKind>,
    /// The caller's three texts, without our tag.
    pub references: References,
    /// The caller's own reference.
    pub client_reference: Option<String>,
    /// The one word.
    pub state: DeliveryState,
    /// On the phone, and reported as failed.
    pub conflict: bool,
    /// When silence becomes `overdue`; absent where nothing is awaited.
    pub due_at: Option<DateTime<Utc>>,
    /// When the provider took it.
    pub submitted_at: Option<DateTime<Utc>>,
    /// When it was sent.
    pub sent_at: Option<DateTime<Utc>>,
    /// When it reached the phone.
    pub delivered_at: Option<DateTime<Utc>>,
    /// When it was read.
    pub read_at: Option<DateTime<Utc>>,
    /// The failure that is shown.
    pub failure: Option<ExportedFailure>,
    /// Whether it is charged.
    pub billable: Option<bool>,
    /// `service`, `marketing`, `utility` …
    pub pricing_category: Option<String>,
    /// The price, exactly as written.
    pub price: Option<String>,
    /// The wamid if any is known, else the send reply's id.
    pub provider_id: Option<ProviderMessageId>,
    /// When we accepted or first heard of it.
    pub created_at: DateTime<Utc>,
}

/// What an export tells of a failure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportedFailure {
    /// When it happened.
    pub at: DateTime<Utc>,
    /// Who can mend it.
    pub class: FailureClass,
    /// The provider's code.
    pub code: Option<String>,
    /// The provider's words: the longer ones, where there are two.
    pub words: Option<String>,
}

/// One page, newest first, as the database wrote it.
pub struct ExportPage {
    rows: EncodedRows<Entity>,
    /// There may be one row more, which only tells that this page is not the last.
    limit: usize,
    lead: Lead,
}

impl Store {
    /// The first page of at most `limit` messages.
    pub async fn begin_export(
        &self,
        filter: &MessageFilter,
        limit: usize,
    ) -> Result<ExportPage, Error> {
        let lead = self.lead(filter, RARE).await?;
        self.export_page(filter, lead, None, limit).await
    }

    /// The page after `page`, of the same length; none after the last.
    pub async fn go_on_exporting(
        &self,
        filter: &MessageFilter,
        page: &ExportPage,
    ) -> Result<Option<ExportPage>, Error> {
        let Some(after) = page.next()? else {
            return Ok(None);
        };
        self.export_page(filter, page.lead, Some(after), page.limit)
            .await
            .map(Some)
    }

    async fn export_page(
        &self,
        filter: &MessageFilter,
        lead: Lead,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<ExportPage, Error> {
        let wanted = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let query = listed(filter, lead, after, wanted);
        let rows = statements::list_as(self.pools().reader(), query).await?;
        Ok(ExportPage { rows, limit, lead })
    }
}

impl ExportPage {
    /// Where the next page starts; absent on the last. No row before the last is decoded for that.
    pub fn next(&self) -> Result<Option<Cursor>, Error> {
        let mut rest = self.rows.decode_from(self.limit.saturating_sub(1));
        let (Some(last), Some(_)) = (rest.next(), rest.next()) else {
            return Ok(None);
        };
        let last = last?;
        Ok(Some(Cursor {
            created_at: instant::read(TABLE, "created_at", last.created_at)?,
            id: last.id.into(),
        }))
    }

    /// The messages.
    pub fn decode(&self) -> Result<Vec<ExportedMessage>, Error> {
        self.rows
            .decode()
            .take(self.limit)
            .map(|row| row?.try_into())
            .collect()
    }
}

impl TryFrom<Model> for ExportedMessage {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        let key = row.id;
        let time = |column, millis| instant::read_optional(TABLE, column, millis);
        let failure = time("failed_at", row.failed_at)?
            .zip(row.failure_class)
            .map(|(at, class)| ExportedFailure {
                at,
                class,
                code: row.failure_code,
                words: row.failure_detail.or(row.failure_title),
            });
        Ok(Self {
            id: key.into(),
            account: row.account,
            provider: row.provider,
            origin: row.origin,
            sender: row.sender,
            recipient: row.recipient,
            name: row.recipient_name,
            kind: row.kind,
            references: References {
                reference: row.reference,
                reference1: row.reference1,
                reference2: row.reference2,
            },
            client_reference: row.client_reference,
            state: row.state,
            conflict: row.conflict,
            due_at: time("due_at", row.due_at)?,
            submitted_at: time("submitted_at", row.submitted_at)?,
            sent_at: time("sent_at", row.sent_at)?,
            delivered_at: time("delivered_at", row.delivered_at)?,
            read_at: time("read_at", row.read_at)?,
            failure,
            billable: row.billable,
            pricing_category: row.pricing_category,
            price: row.price,
            provider_id: row
                .provider_id
                .as_deref()
                .map(ProviderMessageId::parse)
                .transpose()
                .map_err(|_| Error::inconsistent(TABLE, "provider_id", key))?,
            created_at: instant::read(TABLE, "created_at", row.created_at)?,
        })
    }
}
