//! Reads whole entries. The small columns come as one JSON text: every value that leaves the database
//! is copied between two threads, and finding each by its name costs as much again.

use chrono::DateTime;
use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseConnection, QuerySelect, Select};
use serde::Deserialize;

use crate::db::{Error, statements};
use crate::domain::callback_record::{CallbackRecord, JournalEntry};
use crate::domain::ids::CallbackId;
use crate::journal::journal_row::{self, TABLE, read_authenticity, read_route};

/// The columns of the JSON text.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize)]
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
    pub remote: Option<String>,
    pub received_at: i64,
    pub authenticity: String,
    pub refusal: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(super) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The entries that a query selects, in its order.
pub(super) async fn read_entries(
    connection: &DatabaseConnection,
    query: Select<journal_row::Entity>,
) -> Result<Vec<JournalEntry>, Error> {
    let backend = connection.get_database_backend();
    let rows: Vec<(String, String, Vec<u8>)> = query
        .select_only()
        .expr_as(statements::row_json::<Entity>(backend), "line")
        .columns([journal_row::Column::Headers, journal_row::Column::Content])
        .into_tuple()
        .all(connection)
        .await?;
    rows.into_iter()
        .map(|(line, headers, content)| {
            entry(statements::decode_row::<Entity>(&line)?, &headers, content)
        })
        .collect()
}

fn entry(row: Model, headers: &str, content: Vec<u8>) -> Result<JournalEntry, Error> {
    let seq = row.seq;
    let inconsistent = |column| Error::inconsistent(TABLE, column, seq);
    Ok(JournalEntry {
        seq,
        record: CallbackRecord {
            id: CallbackId::from(row.id),
            account: row.account.parse().map_err(|_| inconsistent("account"))?,
            route: read_route(seq, &row.route, row.report_message)?,
            method: row.method,
            query: row.query,
            headers: serde_json::from_str(headers).map_err(|_| inconsistent("headers"))?,
            remote: row.remote,
            received_at: DateTime::from_timestamp_millis(row.received_at)
                .ok_or_else(|| inconsistent("received_at"))?,
            body: content,
            authenticity: read_authenticity(seq, &row.authenticity, row.refusal)?,
        },
    })
}
