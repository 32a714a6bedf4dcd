//! What callbacks reported: about which messages and recipients.

use std::collections::{BTreeSet, HashMap};

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use crate::db::Error;
use crate::db::statements::IDS_PER_QUERY;
use crate::domain::ids::{CallbackId, MessageId};
use crate::domain::receipt::{Receipt, ReceiptEvent};
use crate::store::Store;
use crate::store::entities::{message_row, receipt_row};

/// How many parts of each callback are read: a batch can have 100,000.
const PARTS_READ: i64 = 20;

/// One receipt of a callback.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallbackReport {
    pub message: MessageId,
    pub event: ReceiptEvent,
    /// As reported, else that of the message: phone digits, or another id.
    pub recipient: Option<String>,
}

impl Store {
    /// The reports of the first parts, in order. Callbacks without reports are absent.
    pub async fn list_callback_reports(
        &self,
        callbacks: &[CallbackId],
    ) -> Result<HashMap<CallbackId, Vec<CallbackReport>>, Error> {
        let reader = self.pools().reader();
        let sources: Vec<Uuid> = callbacks.iter().map(|id| id.uuid()).collect();
        let rows = receipt_row::Entity::find()
            .filter(receipt_row::Column::Source.is_in(sources))
            .filter(receipt_row::Column::Part.lt(PARTS_READ))
            .order_by_asc(receipt_row::Column::Source)
            .order_by_asc(receipt_row::Column::Part)
            .all(reader)
            .await?;
        let messages: BTreeSet<Uuid> = rows.iter().map(|row| row.message).collect();
        let recipients = self.list_recipients(&Vec::from_iter(messages)).await?;
        let mut reports: HashMap<CallbackId, Vec<CallbackReport>> = HashMap::new();
        for row in rows {
            let (source, message) = (row.source, row.message);
            let receipt = Receipt::try_from(row)?;
            let recipient = receipt.recipient;
            reports
                .entry(source.into())
                .or_default()
                .push(CallbackReport {
                    message: message.into(),
                    event: receipt.event,
                    recipient: recipient.or_else(|| recipients.get(&message).cloned()),
                });
        }
        Ok(reports)
    }

    /// The messages with receipts from these callbacks.
    pub async fn list_reported_messages(
        &self,
        callbacks: &[CallbackId],
    ) -> Result<HashMap<CallbackId, Vec<MessageId>>, Error> {
        let rows: Vec<(Uuid, Uuid)> = receipt_row::Entity::find()
            .select_only()
            .column(receipt_row::Column::Source)
            .column(receipt_row::Column::Message)
            .distinct()
            .filter(receipt_row::Column::Source.is_in(callbacks.iter().map(|id| id.uuid())))
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        let mut reported: HashMap<CallbackId, Vec<MessageId>> = HashMap::new();
        for (source, message) in rows {
            let messages = reported.entry(source.into()).or_default();
            messages.push(message.into());
        }
        Ok(reported)
    }

    async fn list_recipients(&self, messages: &[Uuid]) -> Result<HashMap<Uuid, String>, Error> {
        let mut recipients = HashMap::new();
        for chunk in messages.chunks(IDS_PER_QUERY) {
            let rows: Vec<(Uuid, Option<String>)> = message_row::Entity::find()
                .select_only()
                .columns([message_row::Column::Id, message_row::Column::Recipient])
                .filter(message_row::Column::Id.is_in(chunk.iter().copied()))
                .into_tuple()
                .all(self.pools().reader())
                .await?;
            let known = rows.into_iter().filter_map(|(id, text)| Some((id, text?)));
            recipients.extend(known);
        }
        Ok(recipients)
    }
}
