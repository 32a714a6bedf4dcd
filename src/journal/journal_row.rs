//! Journal rows and their conversion from and to domain values.

use chrono::DateTime;
use sea_orm::entity::prelude::*;
use sea_orm::{DerivePartialModel, FromQueryResult};

use crate::db::Error;
use crate::domain::callback_record::{Authenticity, CallbackSummary, Route, UrlMistake};
use crate::domain::ids::{CallbackId, MessageId};

pub(super) const TABLE: &str = "journal";

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "journal")]
pub(super) struct Model {
    #[sea_orm(primary_key)]
    pub seq: i64,
    pub id: Uuid,
    pub account: String,
    pub route: String,
    pub report_message: Option<Uuid>,
    pub method: String,
    pub query: String,
    pub headers: String,
    pub remote: Option<String>,
    pub received_at: i64,
    pub authenticity: String,
    pub refusal: Option<String>,
    pub size: i64,
    pub content: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(super) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The columns that a list of callbacks needs.
#[derive(Debug, DerivePartialModel)]
#[sea_orm(entity = "Entity")]
pub(super) struct SummaryRow {
    seq: i64,
    id: Uuid,
    account: String,
    route: String,
    report_message: Option<Uuid>,
    method: String,
    received_at: i64,
    authenticity: String,
    refusal: Option<String>,
    size: i64,
}

/// The next entries of the journal, measured before their bodies are loaded.
#[derive(Default, Debug, FromQueryResult)]
pub(super) struct NextEntries {
    pub(super) entries: i64,
    /// The first `seq`; absent without entries, as the others.
    pub(super) first: Option<i64>,
    pub(super) last: Option<i64>,
    /// The last `seq` up to which the bodies fit into the limit; absent if not even the first does.
    pub(super) last_fitting: Option<i64>,
}

/// The stored value of a route.
pub(super) fn route_column(route: Route) -> &'static str {
    match route {
        Route::Callback => "callback",
        Route::OldCallback => "old-callback",
        Route::MistypedCallback(UrlMistake::WhiteSpace) => "callback-with-space",
        Route::MistypedCallback(UrlMistake::DoubledSlash) => "callback-with-slash",
        Route::Report(_) => "report",
    }
}

/// The stored values of an authenticity: its kind, and why it is unverified.
pub(super) fn authenticity_columns(authenticity: &Authenticity) -> (&'static str, Option<&str>) {
    match authenticity {
        Authenticity::Verified => ("verified", None),
        Authenticity::Unverified { reason } => ("unverified", Some(reason)),
    }
}

pub(super) fn read_route(seq: i64, stored: &str, message: Option<Uuid>) -> Result<Route, Error> {
    match (stored, message) {
        ("callback", None) => Ok(Route::Callback),
        ("old-callback", None) => Ok(Route::OldCallback),
        ("callback-with-space", None) => Ok(Route::MistypedCallback(UrlMistake::WhiteSpace)),
        ("callback-with-slash", None) => Ok(Route::MistypedCallback(UrlMistake::DoubledSlash)),
        ("report", Some(message)) => Ok(Route::Report(MessageId::from(message))),
        _ => Err(Error::inconsistent(TABLE, "route", seq)),
    }
}

pub(super) fn read_authenticity(
    seq: i64,
    stored: &str,
    refusal: Option<String>,
) -> Result<Authenticity, Error> {
    match stored {
        "verified" => Ok(Authenticity::Verified),
        "unverified" => Ok(Authenticity::Unverified {
            reason: refusal.unwrap_or_default(),
        }),
        _ => Err(Error::inconsistent(TABLE, "authenticity", seq)),
    }
}

impl TryFrom<SummaryRow> for CallbackSummary {
    type Error = Error;

    fn try_from(row: SummaryRow) -> Result<Self, Error> {
        let seq = row.seq;
        let inconsistent = |column| Error::inconsistent(TABLE, column, seq);
        Ok(Self {
            seq,
            id: CallbackId::from(row.id),
            account: row.account.parse().map_err(|_| inconsistent("account"))?,
            route: read_route(seq, &row.route, row.report_message)?,
            method: row.method,
            received_at: DateTime::from_timestamp_millis(row.received_at)
                .ok_or_else(|| inconsistent("received_at"))?,
            size: u64::try_from(row.size).map_err(|_| inconsistent("size"))?,
            authenticity: read_authenticity(seq, &row.authenticity, row.refusal)?,
        })
    }
}
