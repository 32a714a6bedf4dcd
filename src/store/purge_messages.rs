//! Removes messages that are past their retention, in batches that are each a short transaction; or
//! counts what would be removed.
//!
//! **Invariant:** a message is removed with every row that refers to it, in one transaction, and
//! its counts stay: purging subtracts nothing. `message_counts` and `latency_sums` are never
//! trimmed, so reports of old months stay.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, Value};
use uuid::Uuid;

use crate::db::{Error, instant};
use crate::domain::ids::{CallbackId, MessageId};
use crate::store::ledger::message_ledger::Ledger;
use crate::store::purge_statements::{SqlCondition, count, execute, query};
use crate::store::{Store, store_settings};

/// Rows removed in one transaction, approximately: a message and its rows count together.
const BATCH_ROWS: u64 = 250;
/// Messages read for one batch.
const BATCH_MESSAGES: i64 = 50;
/// Rows of a message in addition to its receipts: itself, an attempt, two ids.
const ROWS_BESIDE_RECEIPTS: u64 = 4;

/// Numbers of rows by table.
pub type RowCounts = BTreeMap<&'static str, u64>;

/// Selects the messages that are past their retention.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PurgeableMessages {
    pub created_before: DateTime<Utc>,
    /// The oldest callback in the journal. A message with a receipt from this or a later one is
    /// kept: reprocessing the callback would create the message again.
    pub first_callback: Option<CallbackId>,
}

/// Where a batch ended, by creation time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessageCursor {
    created_at: i64,
    id: Uuid,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PurgedMessages {
    /// Where the next batch begins.
    pub cursor: MessageCursor,
    pub rows: RowCounts,
}

/// Claims counted so far: a claim belongs to two messages and is removed once.
pub type CountedConflicts = BTreeSet<(String, String, Uuid)>;

impl Store {
    /// Removes the oldest messages after `cursor` that are past their retention, with their rows.
    /// `None` when there are no more.
    pub async fn purge_messages(
        &self,
        purgeable: &PurgeableMessages,
        cursor: Option<MessageCursor>,
        now: DateTime<Utc>,
    ) -> Result<Option<PurgedMessages>, Error> {
        self.change_in_background(now, async |ledger| {
            remove_messages(ledger, purgeable, cursor).await
        })
        .await
    }

    /// Counts what [`Store::purge_messages`] would remove.
    pub async fn count_purgeable_messages(
        &self,
        purgeable: &PurgeableMessages,
        cursor: Option<MessageCursor>,
        counted: &mut CountedConflicts,
    ) -> Result<Option<PurgedMessages>, Error> {
        let reader = self.pools().reader();
        let Some(MessageBatch { cursor, ids, .. }) = find_batch(reader, purgeable, cursor).await?
        else {
            return Ok(None);
        };
        let mut rows = RowCounts::new();
        for (table, condition) in dependent_rows(&ids) {
            if table == CONFLICTS {
                let conflicts = list_conflicts(reader, condition).await?;
                let before = counted.len();
                counted.extend(conflicts);
                add(&mut rows, table, counted.len() - before);
            } else {
                let number = count(reader, table, condition).await?;
                *rows.entry(table).or_default() += number;
            }
        }
        Ok(Some(PurgedMessages { cursor, rows }))
    }
}

impl Ledger {
    /// Whether a missing message was purged, judged by its creation time.
    pub async fn was_purged(&self, message: MessageId) -> Result<bool, Error> {
        let before = store_settings::messages_purged_before(self.transaction()).await?;
        let created_at = message.created_at().map(instant::to_millis);
        Ok(created_at
            .zip(before)
            .is_some_and(|(created_at, before)| created_at < before))
    }
}

async fn remove_messages(
    ledger: &Ledger,
    purgeable: &PurgeableMessages,
    cursor: Option<MessageCursor>,
) -> Result<Option<PurgedMessages>, Error> {
    let transaction = ledger.transaction();
    if store_settings::rebuilding_until(transaction)
        .await?
        .is_some()
    {
        return Ok(None);
    }
    let Some(batch) = find_batch(transaction, purgeable, cursor).await? else {
        return Ok(None);
    };
    let MessageBatch { cursor, ids, .. } = batch;
    let created_before = cursor.created_at + 1;
    store_settings::note_purge(transaction, created_before, batch.counted_before).await?;
    let mut rows = RowCounts::new();
    for (table, condition) in dependent_rows(&ids) {
        let sql = format!("DELETE FROM {table} WHERE {}", condition.sql);
        let number = execute(transaction, &sql, condition.values).await?;
        *rows.entry(table).or_default() += number;
    }
    Ok(Some(PurgedMessages { cursor, rows }))
}

/// Messages past their retention, oldest first. Queued and sending messages are kept.
const PURGEABLE_MESSAGES: &str = "SELECT id, created_at, counted_at, \
    (SELECT count(*) FROM receipts WHERE receipts.message = messages.id) AS receipts FROM messages \
    WHERE created_at < $1 AND (created_at, id) > ($2, $3) AND next_attempt_at IS NULL AND lease_until IS NULL \
    AND NOT EXISTS (SELECT 1 FROM receipts WHERE receipts.message = messages.id \
    AND receipts.source_kind = 'callback' AND receipts.source >= $4) \
    ORDER BY created_at, id LIMIT $5";

struct MessageBatch {
    /// The last message.
    cursor: MessageCursor,
    ids: Vec<Uuid>,
    /// In milliseconds; every message counts in statistics before it.
    counted_before: i64,
}

/// The messages of the next batch: about [`BATCH_ROWS`] rows together, at least one message.
async fn find_batch(
    connection: &impl ConnectionTrait,
    purgeable: &PurgeableMessages,
    cursor: Option<MessageCursor>,
) -> Result<Option<MessageBatch>, Error> {
    let cursor = cursor.unwrap_or(MessageCursor {
        created_at: i64::MIN,
        id: Uuid::nil(),
    });
    let first_callback = purgeable
        .first_callback
        .map_or(Uuid::max(), CallbackId::uuid);
    let values = vec![
        instant::to_millis(purgeable.created_before).into(),
        cursor.created_at.into(),
        cursor.id.into(),
        first_callback.into(),
        BATCH_MESSAGES.into(),
    ];
    let (mut end, mut ids, mut rows, mut counted_before) = (None, Vec::new(), 0, i64::MIN);
    for row in query(connection, PURGEABLE_MESSAGES, values).await? {
        let receipts: i64 = row.try_get("", "receipts")?;
        rows += ROWS_BESIDE_RECEIPTS + u64::try_from(receipts).unwrap_or_default();
        if rows > BATCH_ROWS && !ids.is_empty() {
            break;
        }
        let id: Uuid = row.try_get("", "id")?;
        let created_at: i64 = row.try_get("", "created_at")?;
        let counted_at: Option<i64> = row.try_get("", "counted_at")?;
        end = Some(MessageCursor { created_at, id });
        counted_before = Ord::max(counted_before, counted_at.unwrap_or(created_at) + 1);
        ids.push(id);
    }
    Ok(end.map(|cursor| MessageBatch {
        cursor,
        ids,
        counted_before,
    }))
}

const CONFLICTS: &str = "id_conflicts";

/// The rows of these messages, by table; the messages themselves last.
fn dependent_rows(ids: &[Uuid]) -> Vec<(&'static str, SqlCondition)> {
    // Always the same number of parameters, so that prepared statements are reused.
    let size = usize::try_from(BATCH_MESSAGES)
        .unwrap_or_default()
        .max(ids.len());
    let parameters: Vec<String> = (1..=size).map(|number| format!("${number}")).collect();
    let list = parameters.join(", ");
    let naming = |columns: &[&str]| SqlCondition {
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
        ("message_warnings", naming(&["message"])),
        ("actions", naming(&["message"])),
        ("messages", naming(&["id"])),
    ]
}

async fn list_conflicts(
    connection: &impl ConnectionTrait,
    condition: SqlCondition,
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

fn add(rows: &mut RowCounts, table: &'static str, number: usize) {
    *rows.entry(table).or_default() += u64::try_from(number).unwrap_or_default();
}
