//! What pages of accounts show about the ids in callbacks and replies: texts that are not ids, and
//! ids longer than documented.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter};

use crate::db::{Error, instant};
use crate::domain::ids::AccountId;
use crate::store::entities::account_row::{Column, Entity};
use crate::store::ledger::message_ledger::Ledger;

/// A constant id is shown up to this length, in characters.
const SHOWN_LENGTH: usize = 80;

/// The latest of each kind, by account.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IdAnomalies(BTreeMap<AccountId, IdAnomaly>);

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct IdAnomaly {
    constant: Option<(DateTime<Utc>, String)>,
    long: Option<DateTime<Utc>>,
}

impl IdAnomalies {
    /// A text that was sent instead of an id, and identifies no message.
    pub fn note_constant(&mut self, account: &AccountId, text: &str, at: DateTime<Utc>) {
        let shown: String = text.chars().take(SHOWN_LENGTH).collect();
        let anomaly = self.0.entry(account.clone()).or_default();
        anomaly.constant = Ord::max(anomaly.constant.take(), Some((at, shown)));
    }

    pub fn note_long(&mut self, account: &AccountId, at: DateTime<Utc>) {
        let anomaly = self.0.entry(account.clone()).or_default();
        anomaly.long = Ord::max(anomaly.long, Some(at));
    }
}

impl Ledger {
    /// Stores each anomaly, unless the stored one is later.
    pub async fn record_id_anomalies(&self, anomalies: &IdAnomalies) -> Result<(), Error> {
        for (account, anomaly) in &anomalies.0 {
            if let Some((at, text)) = &anomaly.constant {
                let at = instant::to_millis(*at);
                Entity::update_many()
                    .col_expr(Column::ConstantId, Expr::value(text.as_str()))
                    .col_expr(Column::ConstantIdAt, Expr::value(at))
                    .filter(Column::Id.eq(account))
                    .filter(
                        Column::ConstantIdAt
                            .is_null()
                            .or(Column::ConstantIdAt.lt(at)),
                    )
                    .exec(self.transaction())
                    .await?;
            }
            if let Some(at) = anomaly.long.map(instant::to_millis) {
                Entity::update_many()
                    .col_expr(Column::LongIdAt, Expr::value(at))
                    .filter(Column::Id.eq(account))
                    .filter(Column::LongIdAt.is_null().or(Column::LongIdAt.lt(at)))
                    .exec(self.transaction())
                    .await?;
            }
        }
        Ok(())
    }
}
