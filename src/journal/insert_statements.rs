//! The statement that inserts a batch. Constant texts of a few sizes, so that statement caches hit.

use sea_orm::{DbBackend, Statement, Value};

use crate::db::statements;
use crate::domain::callback_record::{CallbackRecord, Route};
use crate::journal::journal_row::{authenticity_columns, route_column};

pub(super) const MAX_BATCH_ROWS: usize = 512;
/// A batch ends when its bodies reach this size.
pub(super) const MAX_BATCH_BYTES: u64 = 8 * 1024 * 1024;

/// In binding order, with PostgreSQL's type. `id` comes first: a row without id is padding.
const COLUMNS: [(&str, &str); 13] = [
    ("id", "uuid"),
    ("account", "text"),
    ("route", "text"),
    ("report_message", "uuid"),
    ("method", "text"),
    ("query", "text"),
    ("headers", "text"),
    ("remote", "text"),
    ("received_at", "bigint"),
    ("authenticity", "text"),
    ("refusal", "text"),
    ("size", "bigint"),
    ("content", "bytea"),
];

/// Statement texts for 1, 2, 4 … [`MAX_BATCH_ROWS`] rows.
#[derive(Debug)]
pub(super) struct InsertStatements {
    backend: DbBackend,
    texts: Vec<String>,
}

impl InsertStatements {
    pub(super) fn new(backend: DbBackend) -> Self {
        let texts = (0..=MAX_BATCH_ROWS.ilog2())
            .map(|power| text(backend, 1 << power))
            .collect();
        Self { backend, texts }
    }

    /// The statement for these rows (at most [`MAX_BATCH_ROWS`]): the next larger size, padded with
    /// rows of nulls.
    pub(super) fn fill<'r>(
        &self,
        records: impl ExactSizeIterator<Item = &'r CallbackRecord>,
    ) -> Statement {
        let size = records.len().next_power_of_two();
        let mut values = Vec::with_capacity(size * COLUMNS.len());
        for record in records {
            values.extend(bind(record));
        }
        statements::pad(&mut values, COLUMNS.len(), size);
        Statement::from_sql_and_values(self.backend, &self.texts[size.ilog2() as usize], values)
    }
}

fn text(backend: DbBackend, rows: usize) -> String {
    let names = COLUMNS.map(|(name, _)| name).join(", ");
    let values = statements::placeholders(backend, &COLUMNS.map(|(_, kind)| kind), rows);
    // `WHERE` also prevents SQLite from parsing `ON` as part of a join.
    format!(
        "INSERT INTO journal ({names}) SELECT * FROM ({values}) AS given \
         WHERE column1 IS NOT NULL ON CONFLICT (id) DO NOTHING"
    )
}

fn bind(record: &CallbackRecord) -> [Value; COLUMNS.len()] {
    let (authenticity, refusal) = authenticity_columns(&record.authenticity);
    let report_message = match record.route {
        Route::Callback | Route::OldCallback | Route::MistypedCallback(_) => None,
        Route::Report(message) => Some(message.uuid()),
    };
    [
        record.id.uuid().into(),
        record.account.as_str().into(),
        route_column(record.route).into(),
        report_message.into(),
        record.method.as_str().into(),
        record.query.as_str().into(),
        // Texts can always be written as JSON.
        serde_json::to_string(&record.headers)
            .unwrap_or_default()
            .into(),
        record.remote.clone().into(),
        record.received_at.timestamp_millis().into(),
        authenticity.into(),
        refusal.map(str::to_owned).into(),
        i64::try_from(record.body.len()).unwrap_or(i64::MAX).into(),
        record.body.clone().into(),
    ]
}
