//! Reads the journal: by seq for the reconciler, by id and newest first for pages and API.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    Select, Statement,
};
use uuid::Uuid;

use crate::db::Error;
use crate::db::connection::Pools;
use crate::db::instant;
use crate::db::statements::IDS_PER_QUERY;
use crate::domain::callback_record::{CallbackSummary, JournalEntry, JournalPosition};
use crate::domain::ids::{AccountId, CallbackId};
use crate::journal::days;
use crate::journal::journal_row::{Column, Entity, EntrySize, SummaryRow};

/// Absent fields do not restrict.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct JournalFilter {
    pub account: Option<AccountId>,
    pub ids: Option<Vec<CallbackId>>,
}

/// Receive time of the latest entry read. The next entries are hardly older, so PostgreSQL need not
/// search every partition.
#[derive(Debug, Default)]
pub(super) struct LatestReceived(AtomicI64);

impl LatestReceived {
    /// The smallest id to search first; `None` before the first read.
    fn first_id(&self) -> Option<Uuid> {
        let millis = self.0.load(Ordering::Relaxed);
        let at = DateTime::from_timestamp_millis(millis).filter(|_| millis > 0)?;
        Some(days::first_id_at(at - TimeDelta::days(1)))
    }

    fn note(&self, entries: &[JournalEntry]) {
        let earliest = entries.iter().map(|entry| entry.record.received_at).min();
        if let Some(at) = earliest {
            self.0.store(instant::write(at), Ordering::Relaxed);
        }
    }
}

pub(super) async fn read_after(
    pools: &Pools,
    recently: &LatestReceived,
    seq: i64,
    limit: u64,
    byte_limit: u64,
) -> Result<Vec<JournalEntry>, Error> {
    let is_in_days = pools.reader().get_database_backend() == DbBackend::Postgres;
    let mut since = recently.first_id().filter(|_| is_in_days);
    let mut extents = list_extents(pools, seq, limit, since).await?;
    if since.is_some() && !is_complete(pools, seq, &extents).await? {
        // An older entry was appended late, or a sequence number was not used.
        since = None;
        extents = list_extents(pools, seq, limit, since).await?;
    }
    let Some(last) = last_within(&extents, byte_limit) else {
        return Ok(Vec::new());
    };
    let entries: Vec<JournalEntry> = after(seq, since)
        .filter(Column::Seq.lte(last))
        .all(pools.reader())
        .await?
        .into_iter()
        .map(JournalEntry::try_from)
        .collect::<Result<_, _>>()?;
    recently.note(&entries);
    Ok(entries)
}

fn after(seq: i64, since: Option<Uuid>) -> Select<Entity> {
    let entries = Entity::find()
        .filter(Column::Seq.gt(seq))
        .order_by_asc(Column::Seq);
    match since {
        Some(id) => entries.filter(Column::Id.gte(id)),
        None => entries,
    }
}

async fn list_extents(
    pools: &Pools,
    seq: i64,
    limit: u64,
    since: Option<Uuid>,
) -> Result<Vec<EntrySize>, Error> {
    Ok(after(seq, since)
        .select_only()
        .columns([Column::Seq, Column::Size])
        .limit(limit)
        .into_model::<EntrySize>()
        .all(pools.reader())
        .await?)
}

/// Whether these are all next entries: without gaps, or nothing is beyond them.
async fn is_complete(pools: &Pools, seq: i64, extents: &[EntrySize]) -> Result<bool, Error> {
    if extents.is_empty() {
        return Ok(end(pools).await? <= seq);
    }
    Ok((seq + 1..)
        .zip(extents)
        .all(|(next, extent)| extent.seq == next))
}

/// Index up to which bodies fit into the limit. The first always fits, else a large one could never
/// be read.
fn last_within(extents: &[EntrySize], byte_limit: u64) -> Option<i64> {
    let mut bytes = 0_u64;
    extents
        .iter()
        .enumerate()
        .take_while(|(position, extent)| {
            bytes = bytes.saturating_add(u64::try_from(extent.size).unwrap_or_default());
            *position == 0 || bytes <= byte_limit
        })
        .map(|(_, extent)| extent.seq)
        .last()
}

pub(super) async fn find(pools: &Pools, id: CallbackId) -> Result<Option<JournalEntry>, Error> {
    Entity::find()
        .filter(Column::Id.eq(id.uuid()))
        .one(pools.reader())
        .await?
        .map(JournalEntry::try_from)
        .transpose()
}

pub(super) async fn find_all(
    pools: &Pools,
    ids: &[CallbackId],
) -> Result<Vec<JournalEntry>, Error> {
    let mut entries = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(IDS_PER_QUERY) {
        let rows = of_these(chunk).all(pools.reader()).await?;
        for row in rows {
            entries.push(JournalEntry::try_from(row)?);
        }
    }
    entries.sort_unstable_by_key(|entry| entry.seq);
    Ok(entries)
}

pub(super) async fn list_sizes(
    pools: &Pools,
    ids: &[CallbackId],
) -> Result<HashMap<CallbackId, u64>, Error> {
    let mut sizes = HashMap::with_capacity(ids.len());
    for chunk in ids.chunks(IDS_PER_QUERY) {
        let rows: Vec<(Uuid, i64)> = of_these(chunk)
            .select_only()
            .columns([Column::Id, Column::Size])
            .into_tuple()
            .all(pools.reader())
            .await?;
        let size = |size| u64::try_from(size).unwrap_or_default();
        sizes.extend(rows.into_iter().map(|(id, bytes)| (id.into(), size(bytes))));
    }
    Ok(sizes)
}

fn of_these(ids: &[CallbackId]) -> Select<Entity> {
    Entity::find().filter(Column::Id.is_in(ids.iter().map(|id| id.uuid())))
}

pub(super) async fn list(
    pools: &Pools,
    filter: &JournalFilter,
    before_seq: Option<i64>,
    limit: u64,
) -> Result<Vec<CallbackSummary>, Error> {
    let mut query = Entity::find();
    if let Some(account) = &filter.account {
        query = query.filter(Column::Account.eq(account.as_str()));
    }
    if let Some(ids) = &filter.ids {
        query = query.filter(Column::Id.is_in(ids.iter().map(|id| id.uuid())));
    }
    if let Some(before) = before_seq {
        query = query.filter(Column::Seq.lt(before));
    }
    query
        .order_by_desc(Column::Seq)
        .limit(limit)
        .into_partial_model::<SummaryRow>()
        .all(pools.reader())
        .await?
        .into_iter()
        .map(CallbackSummary::try_from)
        .collect()
}

pub(super) async fn list_places(
    pools: &Pools,
    seq: i64,
    limit: u64,
) -> Result<Vec<JournalPosition>, Error> {
    let rows: Vec<(i64, Uuid, i64)> = Entity::find()
        .select_only()
        .columns([Column::Seq, Column::Id, Column::ReceivedAt])
        .filter(Column::Seq.gt(seq))
        .order_by_asc(Column::Seq)
        .limit(limit)
        .into_tuple()
        .all(pools.reader())
        .await?;
    rows.into_iter()
        .map(|(seq, id, received_at)| {
            Ok(JournalPosition {
                seq,
                id: id.into(),
                received_at: instant::read("journal", "received_at", received_at)?,
            })
        })
        .collect()
}

pub(super) async fn end(pools: &Pools) -> Result<i64, Error> {
    let text = match pools.reader().get_database_backend() {
        DbBackend::Postgres => {
            "SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS seq FROM journal_seq"
        }
        // The highest number ever assigned, also after a purge; no row before the first.
        _ => "SELECT seq FROM sqlite_sequence WHERE name = 'journal'",
    };
    let row = pools
        .reader()
        .query_one_raw(Statement::from_string(
            pools.reader().get_database_backend(),
            text,
        ))
        .await?;
    match row {
        Some(row) => Ok(row.try_get("", "seq")?),
        None => Ok(0),
    }
}

pub(super) async fn identity(pools: &Pools) -> Result<Uuid, Error> {
    let row = pools
        .reader()
        .query_one_raw(Statement::from_string(
            pools.reader().get_database_backend(),
            "SELECT id FROM journal_identity WHERE one = 1",
        ))
        .await?
        .ok_or_else(|| Error::inconsistent("journal_identity", "one", 1))?;
    Ok(row.try_get("", "id")?)
}
