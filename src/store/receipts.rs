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

/// The columns of a usual receipt, which is one of a stage. The others are null without being bound.
const STAGE_COLUMNS: [Column; 15] = [
    Column::Source,
    Column::Part,
    Column::SourceKind,
    Column::Message,
    Column::Kind,
    Column::Stage,
    Column::OccurredAt,
    Column::ZoneAssumed,
    Column::ReceivedAt,
    Column::Recipient,
    Column::Billable,
    Column::PricingCategory,
    Column::PricingBasis,
    Column::PricingType,
    Column::PricingRaw,
];

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

/// Writes receipts and returns how many did not exist. A stored receipt with the same source and part
/// stays.
pub(crate) async fn insert(
    connection: &impl ConnectionTrait,
    rows: &[Model],
) -> Result<u64, Error> {
    const KEEP_STORED: &str = "ON CONFLICT (source, part) DO NOTHING";
    let (of_stage, others): (Vec<&Model>, Vec<&Model>) =
        rows.iter().partition(|row| has_only_stage_columns(row));
    let columns = &STAGE_COLUMNS;
    let of_stage =
        statements::insert_columns::<Entity>(connection, columns, &of_stage, KEEP_STORED).await?;
    let others = statements::insert::<Entity>(connection, &others, KEEP_STORED).await?;
    Ok(of_stage + others)
}

fn has_only_stage_columns(row: &Model) -> bool {
    let others = [
        &row.code,
        &row.title,
        &row.detail,
        &row.failure_key,
        &row.word,
        &row.price,
        &row.pricing_currency,
    ];
    others.into_iter().all(Option::is_none)
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

#[cfg(test)]
mod tests {
    use sea_orm::{Iterable, ModelTrait};

    use super::*;
    use crate::domain::delivery_state::Stage;
    use crate::domain::receipt::SourceKind;

    #[test]
    fn a_row_with_another_column_is_not_written_as_that_of_a_stage() {
        let receipt = Receipt {
            source_kind: SourceKind::Callback,
            source: Uuid::nil(),
            part: 0,
            event: ReceiptEvent::Stage(Stage::Read),
            occurred_at: None,
            zone_assumed: false,
            received_at: "2026-11-30T12:00:00Z".parse().unwrap(),
            recipient: None,
            pricing: Pricing::default(),
        };
        let usual = row(Uuid::nil().into(), &receipt);
        assert!(has_only_stage_columns(&usual));
        let is_other = |column: &Column| {
            let column = format!("{column:?}");
            !STAGE_COLUMNS
                .iter()
                .any(|of_stage| format!("{of_stage:?}") == column)
        };
        for column in Column::iter().filter(is_other) {
            let mut row = usual.clone();
            row.set(column, "x".into());
            assert!(!has_only_stage_columns(&row), "{column:?}");
        }
    }
}
