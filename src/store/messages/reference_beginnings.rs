//! What stands before the numbers in references, such as `MH-` in `MH-33009`: with it, a number
//! alone is found by the indexes of the references, which are sorted from their beginning.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, Statement};

use crate::db::Error;
use crate::store::Store;

/// Jumps within one index, each to the next beginning. References whose number is not at their end
/// need a jump each.
const JUMPS: usize = 32;
/// Beginnings that are tried. Each costs a few reads of the indexes.
const MOST_BEGINNINGS: usize = 12;
const COLUMNS: [&str; 4] = ["reference", "reference1", "reference2", "client_reference"];

impl Store {
    /// Some of the beginnings, the last in their order first, so of dates the latest.
    pub(super) async fn list_reference_beginnings(&self) -> Result<Vec<String>, Error> {
        let connection = self.pools().reader();
        let backend = connection.get_database_backend();
        let rows = connection
            .query_all_raw(Statement::from_string(backend, beginnings_sql()))
            .await?;
        let mut found = BTreeSet::new();
        for row in rows {
            let latest: String = row.try_get("", "latest")?;
            let beginning = latest.trim_end_matches(|c: char| c.is_ascii_digit());
            if !beginning.is_empty() && beginning.len() < latest.len() {
                found.insert(beginning.to_owned());
            }
        }
        Ok(found.into_iter().rev().take(MOST_BEGINNINGS).collect())
    }
}

/// The last reference of each beginning: jumps backwards over all references that begin alike.
fn beginnings_sql() -> String {
    let jumps = COLUMNS.map(|column| {
        format!(
            "{column}_jumps (latest, jump) AS ( \
             SELECT max({column}), 1 FROM messages WHERE {column} IS NOT NULL \
             UNION ALL \
             SELECT (SELECT max({column}) FROM messages \
             WHERE {column} IS NOT NULL AND {column} < \
             CASE rtrim(latest, '0123456789') WHEN '' THEN '0' ELSE rtrim(latest, '0123456789') END), \
             jump + 1 FROM {column}_jumps WHERE latest IS NOT NULL AND jump < {JUMPS})"
        )
    });
    let each =
        COLUMNS.map(|column| format!("SELECT latest FROM {column}_jumps WHERE latest IS NOT NULL"));
    format!(
        "WITH RECURSIVE {} {}",
        jumps.join(", "),
        each.join(" UNION ALL ")
    )
}
