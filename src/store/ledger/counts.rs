//! Counts per quarter hour: every change adds the difference between the row before and the row after.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::domain::message::Origin;
use crate::store::Error;
use crate::store::entities::messages::Model;
use crate::store::ledger::Ledger;

/// A quarter of an hour, so that days in any zone add up from whole buckets.
pub(crate) const BUCKET: i64 = 15 * 60 * 1000;

/// Bucket, account, kind, origin, state, failure code.
pub(crate) type Key = (i64, String, String, String, String, String);

/// Differences to be added, by key.
#[derive(Debug, Default)]
pub(super) struct Differences(BTreeMap<Key, i64>);

impl Differences {
    /// Takes the row before out and puts the row after in. Provisional messages are counted nowhere.
    pub(super) fn note(&mut self, before: Option<&Model>, after: Option<&Model>) {
        for (row, step) in [(before, -1), (after, 1)] {
            let Some(row) = row.filter(|row| row.origin != Origin::Provisional.as_str()) else {
                continue;
            };
            *self.0.entry(key(row)).or_default() += step;
        }
        self.0.retain(|_, difference| *difference != 0);
    }

    /// Adds them to the table.
    pub(super) async fn write(self, connection: &impl ConnectionTrait) -> Result<(), Error> {
        let rows: Vec<(Key, i64)> = self.0.into_iter().collect();
        for chunk in rows.chunks(100) {
            let places: Vec<String> = (0..chunk.len())
                .map(|row| {
                    let places: Vec<String> = (1..=7)
                        .map(|column| format!("${}", row * 7 + column))
                        .collect();
                    format!("({})", places.join(", "))
                })
                .collect();
            let sql = format!(
                "INSERT INTO message_counts (bucket, account, kind, origin, state, code, messages) VALUES {} \
                 ON CONFLICT (bucket, account, kind, origin, state, code) \
                 DO UPDATE SET messages = message_counts.messages + excluded.messages",
                places.join(", ")
            );
            let values = chunk.iter().flat_map(
                |((bucket, account, kind, origin, state, code), difference)| {
                    let texts =
                        [account, kind, origin, state, code].map(|text| text.clone().into());
                    std::iter::once((*bucket).into())
                        .chain(texts)
                        .chain(std::iter::once((*difference).into()))
                },
            );
            let backend: DbBackend = connection.get_database_backend();
            connection
                .execute_raw(Statement::from_sql_and_values(backend, sql, values))
                .await?;
        }
        Ok(())
    }
}

impl Ledger {
    /// A message left the tables by merging into another.
    pub(super) async fn count_removal(&self, before: Option<&Model>) -> Result<(), Error> {
        let mut differences = Differences::default();
        differences.note(before, None);
        differences.write(&self.transaction).await
    }
}

/// Where a message is counted.
pub(crate) fn key(row: &Model) -> Key {
    (
        row.created_at.div_euclid(BUCKET) * BUCKET,
        row.account.clone(),
        row.kind.clone().unwrap_or_default(),
        row.origin.clone(),
        row.state.clone(),
        row.failure_code
            .clone()
            .filter(|_| row.failed_at.is_some())
            .unwrap_or_default(),
    )
}
