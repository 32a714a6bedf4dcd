//! Receipts as rows, keyed by source and part.

use std::collections::HashMap;

use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::db::{Error, instant, statements};
use crate::domain::failure::Failure;
use crate::domain::ids::MessageId;
use crate::domain::receipt::{Pricing, Receipt, ReceiptEvent};
use crate::store::entities::receipt_row::{Column, Entity, Model, ReceiptKind};

const TABLE: &str = "receipts";

pub(crate) fn row(message: MessageId, receipt: &Receipt) -> Model {
    let (kind, stage, failure, word) = match &receipt.event {
        ReceiptEvent::Stage(stage) => (ReceiptKind::Stage, Some(*stage), Failure::default(), None),
        ReceiptEvent::Failure(failure) => (ReceiptKind::Failure, None, failure.clone(), None),
        ReceiptEvent::Other(word) => (
            ReceiptKind::Other,
            None,
            Failure::default(),
            Some(word.clone()),
        ),
        ReceiptEvent::Notice(text) => (
            ReceiptKind::Notice,
            None,
            Failure::default(),
            Some(text.clone()),
        ),
    };
    Model {
        source: receipt.source,
        part: receipt.part,
        source_kind: receipt.source_kind,
        message: message.uuid(),
        kind,
        stage,
        code: failure.code,
        title: failure.title,
        detail: failure.detail,
        failure_key: failure.key,
        word,
        occurred_at: receipt.occurred_at.map(instant::to_millis),
        zone_assumed: receipt.zone_assumed.then_some(true),
        received_at: instant::to_millis(receipt.received_at),
        recipient: receipt.recipient.clone(),
        billable: receipt.pricing.billable,
        pricing_category: receipt.pricing.category.clone(),
        pricing_basis: receipt.pricing.model.clone(),
        price: receipt.pricing.price.clone(),
        pricing_type: receipt.pricing.kind.clone(),
        pricing_currency: receipt.pricing.currency.clone(),
        pricing_raw: receipt.pricing.raw.clone(),
    }
}

/// The receipts of these messages, in the order of [`sort`].
pub(crate) async fn find_of(
    connection: &impl ConnectionTrait,
    messages: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Receipt>>, Error> {
    let mut found: HashMap<Uuid, Vec<Receipt>> = HashMap::new();
    for row in statements::find_by::<Entity>(connection, Column::Message, messages).await? {
        found
            .entry(row.message)
            .or_default()
            .push(Receipt::try_from(row)?);
    }
    for receipts in found.values_mut() {
        sort(receipts);
    }
    Ok(found)
}

/// Sorts by receive time.
pub(crate) fn sort(receipts: &mut [Receipt]) {
    receipts.sort_by_key(|receipt| (receipt.received_at, receipt.source, receipt.part));
}

impl TryFrom<Model> for Receipt {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        let key = row.source;
        let bad = |column: &'static str| Error::inconsistent(TABLE, column, key);
        let event = match row.kind {
            ReceiptKind::Stage => ReceiptEvent::Stage(row.stage.ok_or_else(|| bad("stage"))?),
            ReceiptKind::Failure => ReceiptEvent::Failure(Failure {
                code: row.code,
                title: row.title,
                detail: row.detail,
                key: row.failure_key,
            }),
            ReceiptKind::Other => ReceiptEvent::Other(row.word.ok_or_else(|| bad("word"))?),
            ReceiptKind::Notice => ReceiptEvent::Notice(row.word.ok_or_else(|| bad("word"))?),
        };
        Ok(Self {
            source_kind: row.source_kind,
            source: row.source,
            part: row.part,
            event,
            occurred_at: instant::from_optional_millis(TABLE, "occurred_at", row.occurred_at)?,
            zone_assumed: row.zone_assumed == Some(true),
            received_at: instant::from_millis(TABLE, "received_at", row.received_at)?,
            recipient: row.recipient,
            pricing: Pricing {
                billable: row.billable,
                category: row.pricing_category,
                model: row.pricing_basis,
                kind: row.pricing_type,
                currency: row.pricing_currency,
                price: row.price,
                raw: row.pricing_raw,
            },
        })
    }
}
