//! Facts as rows: one receipt a row, keyed by its source and part.

use std::collections::HashMap;

use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::db::{Error, instant, statements};
use crate::domain::delivery_state::Stage;
use crate::domain::failure::Failure;
use crate::domain::ids::MessageId;
use crate::domain::receipt::{Pricing, Receipt, ReceiptEvent};
use crate::store::entities::receipts::{Column, Entity, Model};

const TABLE: &str = "receipts";

/// The row of a fact.
pub(crate) fn row(message: MessageId, receipt: &Receipt) -> Model {
    let (fact, stage, failure, word) = match &receipt.event {
        ReceiptEvent::Stage(stage) => (
            "stage",
            Some(stage.as_str().to_owned()),
            Failure::default(),
            None,
        ),
        ReceiptEvent::Failure(failure) => ("failure", None, failure.clone(), None),
        ReceiptEvent::Other(word) => ("other", None, Failure::default(), Some(word.clone())),
    };
    Model {
        source: receipt.source,
        part: receipt.part,
        source_kind: receipt.source_kind.as_str().to_owned(),
        message: message.uuid(),
        fact: fact.to_owned(),
        stage,
        code: failure.code,
        title: failure.title,
        detail: failure.detail,
        failure_key: failure.key,
        word,
        occurred_at: receipt.occurred_at.map(instant::write),
        received_at: instant::write(receipt.received_at),
        recipient: receipt.recipient.clone(),
        billable: receipt.pricing.billable,
        pricing_category: receipt.pricing.category.clone(),
        pricing_basis: receipt.pricing.model.clone(),
        price: receipt.pricing.price.clone(),
    }
}

/// Every fact of these messages, as they came in.
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

/// Puts facts in the order in which they are told: as they came in.
pub(crate) fn sort(receipts: &mut [Receipt]) {
    receipts.sort_by_key(|receipt| (receipt.received_at, receipt.source, receipt.part));
}

impl TryFrom<Model> for Receipt {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        let key = row.source;
        let bad = |column: &'static str| Error::inconsistent(TABLE, column, key);
        let event = match row.fact.as_str() {
            "stage" => {
                let stage = row
                    .stage
                    .as_deref()
                    .and_then(|word| word.parse::<Stage>().ok());
                ReceiptEvent::Stage(stage.ok_or_else(|| bad("stage"))?)
            }
            "failure" => ReceiptEvent::Failure(Failure {
                code: row.code,
                title: row.title,
                detail: row.detail,
                key: row.failure_key,
            }),
            "other" => ReceiptEvent::Other(row.word.ok_or_else(|| bad("word"))?),
            _ => return Err(bad("fact")),
        };
        Ok(Self {
            source_kind: row.source_kind.parse().map_err(|_| bad("source_kind"))?,
            source: row.source,
            part: row.part,
            event,
            occurred_at: instant::read_optional(TABLE, "occurred_at", row.occurred_at)?,
            received_at: instant::read(TABLE, "received_at", row.received_at)?,
            recipient: row.recipient,
            pricing: Pricing {
                billable: row.billable,
                category: row.pricing_category,
                model: row.pricing_basis,
                price: row.price,
            },
        })
    }
}
