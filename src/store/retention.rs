//! Removing from the main database what is past its retention, in portions that are each a short transaction; or counting what would be removed.
//!
//! **Invariant:** a message goes with everything that points to it, in one transaction, and its counts stay: purging subtracts nothing.
//! So `message_counts` and `latency_counts` are never trimmed, and reports of old months stay. A quarter hour, account and kind keeps one row
//! for each origin, state, code and class that a message of it ever stood at, also when none does any more; codes are the provider's words.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, QueryResult, Statement, Value};
use uuid::Uuid;

use crate::db::connection::Pools;
use crate::db::{Error, instant};
use crate::domain::ids::{CallbackId, MessageId};
use crate::store::callbacks::first_callback_at;
use crate::store::ledger::Ledger;
use crate::store::{Store, settings};

/// Rows removed in one transaction, about: a message and all that is its own count together.
const PORTION_ROWS: u64 = 250;
/// Messages looked at for one portion.
const MESSAGES: i64 = 50;
/// Rows that a message takes beside its facts: itself, an attempt, two ids.
const ROWS_BESIDE_FACTS: u64 = 4;
/// Pages that one step gives back to the file system: each one moves another to its place.
const PAGES: u32 = 64;

/// How many rows, by table.
pub type RowCounts = BTreeMap<&'static str, u64>;

/// Whether rows are removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deed {
    /// Tell how many there are.
    Count,
    /// Remove them.
    Remove,
}

/// Which messages are past their retention.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PastMessages {
    /// Created before.
    pub created_before: DateTime<Utc>,
    /// The oldest callback in the journal. A message that this or a later one told of stays: read again, it would make the message anew.
    pub first_callback: Option<CallbackId>,
}

/// Where among messages, oldest first, a portion ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessageMark {
    created_at: i64,
    id: Uuid,
}

/// A portion of messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessagePortion {
    /// Where the next one begins.
    pub mark: MessageMark,
    /// What went, or would go.
    pub rows: RowCounts,
}

/// Ids that two messages claim, met while counting: one goes once, with whichever message goes first.
pub type CountedConflicts = BTreeSet<(String, String, Uuid)>;

/// Rows of one table that belong to no message, and have had their time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leftover {
    /// Outcomes of callbacks that left the journal: below this place, but for those of which quarantine keeps a copy that was made at or after this instant.
    Outcomes(i64, DateTime<Utc>),
    /// Copies of callbacks that could not be understood, received before this instant.
    Quarantine(DateTime<Utc>),
    /// Actions that concern no message, done before this instant.
    Actions(DateTime<Utc>),
    /// Windows of customers who last wrote before this instant.
    Windows(DateTime<Utc>),
    /// Sign-in links that expired before this instant.
    SignInLinks(DateTime<Utc>),
    /// Leases that ran out before this instant.
    Leases(DateTime<Utc>),
}

/// A part of a statement, with what it binds.
struct Condition {
    sql: String,
    values: Vec<Value>,
}

impl Leftover {
    /// The table.
    pub fn table(self) -> &'static str {
        match self {
            Self::Outcomes(..) => "callback_outcomes",
            Self::Quarantine(_) => "quarantine",
            Self::Actions(_) => "actions",
            Self::Windows(_) => "windows",
            Self::SignInLinks(_) => "sign_in_links",
            Self::Leases(_) => "leases",
        }
    }

    /// What names a row.
    fn key(self) -> &'static str {
        match self {
            Self::Outcomes(..) => "callback",
            Self::Quarantine(_) => "(callback, part)",
            Self::Actions(_) => "id",
            Self::Windows(_) => "(account, phone)",
            Self::SignInLinks(_) => "hash",
            Self::Leases(_) => "name",
        }
    }

    fn condition(self) -> Condition {
        let before = |column: &str, at: DateTime<Utc>| Condition {
            sql: format!("{column} < $1"),
            values: vec![instant::write(at).into()],
        };
        match self {
            Self::Outcomes(seq, kept_since) => Condition {
                sql: "seq < $1 AND NOT EXISTS (SELECT 1 FROM quarantine \
                      WHERE quarantine.callback = callback_outcomes.callback AND quarantine.callback >= $2)"
                    .to_owned(),
                values: vec![seq.into(), first_callback_at(kept_since).into()],
            },
            Self::Quarantine(at) => Condition {
                sql: "callback < $1".to_owned(),
                values: vec![first_callback_at(at).into()],
            },
            Self::Actions(at) => Condition {
                sql: "message IS NULL AND happened_at < $1".to_owned(),
                ..before("happened_at", at)
            },
            Self::Windows(at) => before("last_inbound_at", at),
            Self::SignInLinks(at) | Self::Leases(at) => before("expires_at", at),
        }
    }
}

impl Store {
    /// Whether a rebuild is under way: facts are missing then that will be there again.
    pub async fn is_rebuilding(&self) -> Result<bool, Error> {
        Ok(self.rebuilding_until().await?.is_some())
    }

    /// Removes the oldest messages after `mark` that are past their retention, with everything of theirs. `None` when there are no more.
    pub async fn purge_messages(
        &self,
        past: &PastMessages,
        mark: Option<MessageMark>,
        now: DateTime<Utc>,
    ) -> Result<Option<MessagePortion>, Error> {
        let ledger = self.ledger(now).await?;
        match remove_messages(&ledger, past, mark).await {
            Ok(Some(portion)) => self.commit(ledger).await.map(|()| Some(portion)),
            Ok(None) => {
                ledger.roll_back().await;
                Ok(None)
            }
            Err(error) => {
                ledger.roll_back().await;
                Err(error)
            }
        }
    }

    /// Counts what [`Store::purge_messages`] would remove.
    pub async fn count_past_messages(
        &self,
        past: &PastMessages,
        mark: Option<MessageMark>,
        counted: &mut CountedConflicts,
    ) -> Result<Option<MessagePortion>, Error> {
        let reader = self.pools().reader();
        let Some((mark, ids)) = find_portion(reader, past, mark).await? else {
            return Ok(None);
        };
        let mut rows = RowCounts::new();
        for (table, condition) in belongings(&ids) {
            if table == CONFLICTS {
                let fresh = list_conflicts(reader, condition).await?;
                let before = counted.len();
                counted.extend(fresh);
                add(&mut rows, table, counted.len() - before);
            } else {
                let number = count(reader, table, condition).await?;
                *rows.entry(table).or_default() += number;
            }
        }
        Ok(Some(MessagePortion { mark, rows }))
    }

    /// Removes one portion of leftovers, or counts them all; the number of rows.
    pub async fn clear(&self, leftover: Leftover, deed: Deed) -> Result<u64, Error> {
        let (table, condition) = (leftover.table(), leftover.condition());
        match deed {
            Deed::Count => count(self.pools().reader(), table, condition).await,
            Deed::Remove => remove_some(self.pools(), table, leftover.key(), condition).await,
        }
    }

    /// Whether another portion of leftovers may be there after one of so many rows.
    pub fn may_be_more(removed: u64) -> bool {
        removed >= PORTION_ROWS
    }

    /// Gives some free pages of SQLite's file back to the file system; returns how many are left.
    pub async fn give_back(&self) -> Result<u64, Error> {
        if self.pools().free_pages().await? == 0 {
            return Ok(0);
        }
        self.pools().give_back(PAGES).await
    }
}

impl Ledger {
    /// Whether a message that is not there was purged: it was made when messages were made that are gone.
    pub async fn was_purged(&self, message: MessageId) -> Result<bool, Error> {
        let before = settings::purged_before(self.transaction()).await?;
        let created_at = message.created_at().map(instant::write);
        Ok(created_at
            .zip(before)
            .is_some_and(|(created_at, before)| created_at < before))
    }
}

async fn remove_messages(
    ledger: &Ledger,
    past: &PastMessages,
    mark: Option<MessageMark>,
) -> Result<Option<MessagePortion>, Error> {
    let transaction = ledger.transaction();
    if settings::rebuilding_until(transaction).await?.is_some() {
        return Ok(None);
    }
    let Some((mark, ids)) = find_portion(transaction, past, mark).await? else {
        return Ok(None);
    };
    settings::note_purged_before(transaction, mark.created_at + 1).await?;
    let mut rows = RowCounts::new();
    for (table, condition) in belongings(&ids) {
        let sql = format!("DELETE FROM {table} WHERE {}", condition.sql);
        let number = execute(transaction, &sql, condition.values).await?;
        *rows.entry(table).or_default() += number;
    }
    Ok(Some(MessagePortion { mark, rows }))
}

/// Messages past their retention, oldest first. Whatever waits to be sent, or is being sent, goes when that is over.
const PAST_MESSAGES: &str = "SELECT id, created_at, \
    (SELECT count(*) FROM receipts WHERE receipts.message = messages.id) AS facts FROM messages \
    WHERE created_at < $1 AND (created_at, id) > ($2, $3) AND next_attempt_at IS NULL AND lease_until IS NULL \
    AND NOT EXISTS (SELECT 1 FROM receipts WHERE receipts.message = messages.id \
    AND receipts.source_kind = 'callback' AND receipts.source >= $4) \
    ORDER BY created_at, id LIMIT $5";

/// The messages of the next portion: as many as have about [`PORTION_ROWS`] rows together, and at least one.
async fn find_portion(
    connection: &impl ConnectionTrait,
    past: &PastMessages,
    mark: Option<MessageMark>,
) -> Result<Option<(MessageMark, Vec<Uuid>)>, Error> {
    let mark = mark.unwrap_or(MessageMark {
        created_at: i64::MIN,
        id: Uuid::nil(),
    });
    let first_callback = past.first_callback.map_or(Uuid::max(), CallbackId::uuid);
    let values = vec![
        instant::write(past.created_before).into(),
        mark.created_at.into(),
        mark.id.into(),
        first_callback.into(),
        MESSAGES.into(),
    ];
    let (mut end, mut ids, mut rows) = (None, Vec::new(), 0);
    for row in query(connection, PAST_MESSAGES, values).await? {
        let facts: i64 = row.try_get("", "facts")?;
        rows += ROWS_BESIDE_FACTS + u64::try_from(facts).unwrap_or_default();
        if rows > PORTION_ROWS && !ids.is_empty() {
            break;
        }
        let id: Uuid = row.try_get("", "id")?;
        end = Some(MessageMark {
            created_at: row.try_get("", "created_at")?,
            id,
        });
        ids.push(id);
    }
    Ok(end.map(|mark| (mark, ids)))
}

const CONFLICTS: &str = "id_conflicts";

/// Everything that goes with these messages, they themselves last.
fn belongings(ids: &[Uuid]) -> Vec<(&'static str, Condition)> {
    // As many places as the largest portion has, so that the statements are always the same.
    let size = usize::try_from(MESSAGES).unwrap_or_default().max(ids.len());
    let places: Vec<String> = (1..=size).map(|number| format!("${number}")).collect();
    let list = places.join(", ");
    let naming = |columns: &[&str]| Condition {
        sql: columns
            .iter()
            .map(|column| format!("{column} IN ({list})"))
            .collect::<Vec<_>>()
            .join(" OR "),
        values: ids
            .iter()
            .chain(std::iter::repeat(ids.last().unwrap_or(&Uuid::max())))
            .take(size)
            .map(|id| Value::from(*id))
            .collect(),
    };
    vec![
        ("receipts", naming(&["message"])),
        ("attempts", naming(&["message"])),
        ("provider_ids", naming(&["message"])),
        (CONFLICTS, naming(&["message", "claimant"])),
        ("merged_messages", naming(&["survivor"])),
        ("idempotency_keys", naming(&["message"])),
        ("actions", naming(&["message"])),
        ("messages", naming(&["id"])),
    ]
}

async fn list_conflicts(
    connection: &impl ConnectionTrait,
    condition: Condition,
) -> Result<Vec<(String, String, Uuid)>, Error> {
    let sql = format!(
        "SELECT account, provider_id, claimant FROM {CONFLICTS} WHERE {}",
        condition.sql
    );
    let mut conflicts = Vec::new();
    for row in query(connection, &sql, condition.values).await? {
        conflicts.push((
            row.try_get("", "account")?,
            row.try_get("", "provider_id")?,
            row.try_get("", "claimant")?,
        ));
    }
    Ok(conflicts)
}

async fn remove_some(
    pools: &Pools,
    table: &str,
    key: &str,
    condition: Condition,
) -> Result<u64, Error> {
    let columns = key.trim_matches(['(', ')']);
    let sql = format!(
        "DELETE FROM {table} WHERE {key} IN (SELECT {columns} FROM {table} WHERE {} LIMIT {PORTION_ROWS})",
        condition.sql
    );
    pools
        .within(async |transaction| execute(transaction, &sql, condition.values).await)
        .await
}

fn add(rows: &mut RowCounts, table: &'static str, number: usize) {
    *rows.entry(table).or_default() += u64::try_from(number).unwrap_or_default();
}

async fn count(
    connection: &impl ConnectionTrait,
    table: &str,
    condition: Condition,
) -> Result<u64, Error> {
    let sql = format!(
        "SELECT count(*) AS rows FROM {table} WHERE {}",
        condition.sql
    );
    let rows = query(connection, &sql, condition.values).await?;
    let number: i64 = match rows.first() {
        Some(row) => row.try_get("", "rows")?,
        None => 0,
    };
    Ok(u64::try_from(number).unwrap_or_default())
}

async fn query(
    connection: &impl ConnectionTrait,
    sql: &str,
    values: Vec<Value>,
) -> Result<Vec<QueryResult>, Error> {
    let backend = connection.get_database_backend();
    let statement = Statement::from_sql_and_values(backend, sql, values);
    Ok(connection.query_all_raw(statement).await?)
}

async fn execute(
    connection: &impl ConnectionTrait,
    sql: &str,
    values: Vec<Value>,
) -> Result<u64, Error> {
    let backend = connection.get_database_backend();
    let statement = Statement::from_sql_and_values(backend, sql, values);
    Ok(connection.execute_raw(statement).await?.rows_affected())
}
