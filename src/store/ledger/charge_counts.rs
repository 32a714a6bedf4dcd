//! Counts of deliveries per quarter hour, by what their cost depends on. Costs are computed on
//! request from them and the rates.

use std::collections::BTreeMap;

use sea_orm::ConnectionTrait;

use crate::db::{Error, statements};
use crate::domain::campaign::CampaignId;
use crate::domain::charge::{Charge, ReportedPrice};
use crate::store::entities::charge_count_row::{Entity, Model};
use crate::store::entities::column_types::OrEmpty;
use crate::store::entities::message_row;
use crate::store::ledger::cohort_key::CohortKey;
use crate::store::recipient_country::charged_country;

/// What deliveries are counted by.
pub(crate) type ChargeKey = (CohortKey, OrEmpty<CampaignId>, Charge);

/// Differences to be added, by key.
#[derive(Debug, Default)]
pub(crate) struct ChargeDifferences(pub(crate) BTreeMap<ChargeKey, i64>);

impl ChargeDifferences {
    /// Adds the deliveries of a message, multiplied by `factor`.
    pub(super) fn note(&mut self, cohort: &CohortKey, row: &message_row::Model, factor: i64) {
        if row.deliveries != 0 {
            let key = (
                cohort.clone(),
                OrEmpty(row.campaign.clone()),
                charge_of(row),
            );
            *self.0.entry(key).or_default() += factor * row.deliveries;
        }
    }

    pub(super) async fn write(mut self, connection: &impl ConnectionTrait) -> Result<(), Error> {
        self.0.retain(|_, difference| *difference != 0);
        let rows: Vec<Model> = self.0.into_iter().map(row).collect();
        statements::insert::<Entity>(
            connection,
            &rows.iter().collect::<Vec<_>>(),
            "ON CONFLICT (bucket, account, kind, campaign, sender, country, category, pricing_type, free, price, currency) \
             DO UPDATE SET deliveries = charge_counts.deliveries + excluded.deliveries",
        )
        .await?;
        Ok(())
    }
}

/// The columns by which deliveries of a cohort are counted.
pub(super) fn charged_columns(
    row: &message_row::Model,
) -> (i64, Option<&CampaignId>, Option<bool>, [Option<&str>; 7]) {
    let texts = [
        &row.sender,
        &row.recipient,
        &row.erased_country,
        &row.pricing_category,
        &row.pricing_type,
        &row.price,
        &row.price_currency,
    ];
    (
        row.deliveries,
        row.campaign.as_ref(),
        row.billable,
        texts.map(Option::as_deref),
    )
}

pub(crate) fn charge_of(row: &message_row::Model) -> Charge {
    let country = charged_country(row.recipient.as_deref(), row.erased_country.as_deref());
    let reported = ReportedPrice {
        billable: row.billable,
        category: row.pricing_category.as_deref(),
        pricing_type: row.pricing_type.as_deref(),
        price: row.price.as_deref(),
        currency: row.price_currency.as_deref(),
    };
    Charge::new(
        row.account.clone(),
        row.sender.as_deref(),
        country.as_deref(),
        reported,
    )
}

fn row((((bucket, account, kind), campaign, charge), deliveries): (ChargeKey, i64)) -> Model {
    Model {
        bucket,
        account,
        kind,
        campaign,
        sender: charge.sender,
        country: charge.country,
        category: charge.category,
        pricing_type: charge.pricing_type,
        free: charge.free,
        price: charge.price,
        currency: charge.currency,
        deliveries,
    }
}

/// The key of a stored row.
pub(crate) fn key(row: Model) -> ChargeKey {
    let charge = Charge {
        account: row.account.clone(),
        sender: row.sender,
        country: row.country,
        category: row.category,
        pricing_type: row.pricing_type,
        free: row.free,
        price: row.price,
        currency: row.currency,
    };
    ((row.bucket, row.account, row.kind), row.campaign, charge)
}
