//! Row of `receipts`.

use sea_orm::entity::prelude::*;
use serde::Deserialize;
use strum::{EnumString, IntoStaticStr};

use crate::domain::delivery_state::Stage;
use crate::domain::receipt::SourceKind;

/// Which columns of a receipt's row hold its event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, EnumString, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum ReceiptKind {
    Stage,
    Failure,
    Other,
    Notice,
}

impl ReceiptKind {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Deserialize)]
#[sea_orm(table_name = "receipts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub source: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub part: i32,
    pub source_kind: SourceKind,
    pub message: Uuid,
    #[sea_orm(column_name = "fact")]
    pub kind: ReceiptKind,
    pub stage: Option<Stage>,
    pub code: Option<String>,
    pub title: Option<String>,
    pub detail: Option<String>,
    /// See `Failure::key`.
    pub failure_key: Option<String>,
    /// The status word of a receipt without stage or failure.
    pub word: Option<String>,
    pub occurred_at: Option<i64>,
    /// True or NULL, as in rows from before the column was added.
    pub zone_assumed: Option<bool>,
    pub received_at: i64,
    pub recipient: Option<String>,
    pub billable: Option<bool>,
    pub pricing_category: Option<String>,
    #[sea_orm(column_name = "pricing_model")]
    pub pricing_basis: Option<String>,
    pub price: Option<String>,
    pub pricing_type: Option<String>,
    pub pricing_currency: Option<String>,
    pub pricing_raw: Option<String>,
}

without_relations!();
