//! Messages as exports contain them: with fewer columns than a list, and decoded only when written.
//! Rows are read as one JSON text, which is faster than value by value (benches/README.md).

use chrono::{DateTime, Utc};

use crate::db::statements::{self, EncodedRows};
use crate::db::{Error, instant};
use crate::domain::campaign::CampaignId;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::failure::FailureClass;
use crate::domain::ids::{AccountId, MessageId, ProviderMessageId};
use crate::domain::media::MediaKind;
use crate::domain::message::{Origin, References};
use crate::domain::provider::ProviderId;
use crate::domain::receipt::Pricing;
use crate::store::Store;
use crate::store::entities::exported_message_row::{Entity, Model};
use crate::store::messages::index_choice::RARE_LIMIT;
use crate::store::messages::index_hint::CreationOrderPlan;
use crate::store::messages::list_query::listed;
use crate::store::messages::message_filter::{Cursor, MessageFilter};
use crate::store::messages::message_from_row::{TABLE, parse_provider_id};

/// The fields are those of [`crate::domain::message::Message`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportedMessage {
    pub id: MessageId,
    pub account: AccountId,
    pub provider: ProviderId,
    pub origin: Origin,
    /// The business number: `+` and digits.
    pub sender: Option<String>,
    /// Phone digits, or the text in a callback.
    pub recipient: Option<String>,
    pub name: Option<String>,
    /// Absent for some observed messages.
    pub kind: Option<MediaKind>,
    /// Without the correlation tag.
    pub references: References,
    pub client_reference: Option<String>,
    pub state: DeliveryState,
    /// Delivered or above, and reported as failed.
    pub conflict: bool,
    /// When the message becomes overdue; absent where no report is expected.
    pub due_at: Option<DateTime<Utc>>,
    pub submitted_at: Option<DateTime<Utc>>,
    pub sent_at: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
    pub read_at: Option<DateTime<Utc>>,
    pub failure: Option<ExportedFailure>,
    pub pricing: Pricing,
    /// The country of an erased recipient.
    pub erased_country: Option<String>,
    /// How many recipients it reached: more than one in a group.
    pub deliveries: i64,
    /// The wamid if one is known, else the id of the send reply.
    pub provider_id: Option<ProviderMessageId>,
    /// When it was accepted or first reported.
    pub created_at: DateTime<Utc>,
    pub counted_at: DateTime<Utc>,
    pub campaign: Option<CampaignId>,
    pub template_name: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportedFailure {
    pub at: DateTime<Utc>,
    pub class: FailureClass,
    pub code: Option<String>,
    /// The provider's detail, else its title.
    pub text: Option<String>,
}

/// One page, newest first, not decoded yet.
pub struct ExportPage {
    rows: EncodedRows<Entity>,
    /// `rows` may have one more, which shows that this page is not the last.
    limit: usize,
    plan: CreationOrderPlan,
}

impl Store {
    /// At most `limit` messages.
    pub async fn first_export_page(
        &self,
        filter: &MessageFilter,
        limit: usize,
    ) -> Result<ExportPage, Error> {
        let filter = &*self.with_other_ids(filter).await?;
        let plan = self.plan_creation_order(filter, RARE_LIMIT).await?;
        self.export_page(filter, plan, None, limit).await
    }

    /// The page after `page`, with the same limit; `None` after the last.
    pub async fn next_export_page(
        &self,
        filter: &MessageFilter,
        page: &ExportPage,
    ) -> Result<Option<ExportPage>, Error> {
        let Some(after) = page.next()? else {
            return Ok(None);
        };
        let filter = &*self.with_other_ids(filter).await?;
        self.export_page(filter, page.plan.clone(), Some(after), page.limit)
            .await
            .map(Some)
    }

    async fn export_page(
        &self,
        filter: &MessageFilter,
        plan: CreationOrderPlan,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<ExportPage, Error> {
        let wanted = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let query = listed(filter, &plan, after, wanted);
        let rows = statements::list_as(self.pools().reader(), query).await?;
        Ok(ExportPage { rows, limit, plan })
    }
}

impl ExportPage {
    /// The end of this page, after which the next one begins; `None` on the last. Decodes only the
    /// last row.
    pub fn next(&self) -> Result<Option<Cursor>, Error> {
        let mut rest = self.rows.decode_from(self.limit.saturating_sub(1));
        let (Some(last), Some(_)) = (rest.next(), rest.next()) else {
            return Ok(None);
        };
        let last = last?;
        Ok(Some(Cursor {
            at: instant::from_millis(TABLE, "created_at", last.created_at)?,
            id: last.id.into(),
        }))
    }

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
        let time = |column, millis| instant::from_optional_millis(TABLE, column, millis);
        let created_at = instant::from_millis(TABLE, "created_at", row.created_at)?;
        let failure = time("failed_at", row.failed_at)?
            .zip(row.failure_class)
            .map(|(at, class)| ExportedFailure {
                at,
                class,
                code: row.failure_code,
                text: row.failure_detail.or(row.failure_title),
            });
        Ok(Self {
            id: row.id.into(),
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
            pricing: Pricing {
                billable: row.billable,
                category: row.pricing_category,
                model: None,
                price: row.price,
                kind: row.pricing_type,
                currency: row.price_currency,
                raw: None,
            },
            erased_country: row.erased_country,
            deliveries: row.deliveries,
            provider_id: parse_provider_id(row.id, row.provider_id.as_deref())?,
            created_at,
            counted_at: time("counted_at", row.counted_at)?.unwrap_or(created_at),
            campaign: row.campaign,
            template_name: row.template_name,
        })
    }
}
