//! Reads the journal in order, for the reconciler and for commands.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use uuid::Uuid;

use crate::db::Error;
use crate::db::instant;
use crate::domain::callback_record::{JournalEntry, JournalPosition};
use crate::journal::journal_handle::Journal;
use crate::journal::journal_row::{Column, Entity, EntrySize};

impl Journal {
    /// Entries after `seq`, in order: at most `limit`, and at most `byte_limit` bytes of bodies
    /// unless the first alone is larger.
    pub async fn read_after(
        &self,
        seq: i64,
        limit: u64,
        byte_limit: u64,
    ) -> Result<Vec<JournalEntry>, Error> {
        let is_partitioned = self.pools().is_shared();
        let mut first_id = self.partition_hint().first_id().filter(|_| is_partitioned);
        let mut sizes = self.list_entry_sizes(seq, limit, first_id).await?;
        if first_id.is_some() && !self.is_complete(seq, &sizes).await? {
            // An older entry was appended late, or a sequence number is unused.
            first_id = None;
            sizes = self.list_entry_sizes(seq, limit, first_id).await?;
        }
        let Some(last) = last_within(&sizes, byte_limit) else {
            return Ok(Vec::new());
        };
        let entries: Vec<JournalEntry> = entries_after(seq, first_id)
            .filter(Column::Seq.lte(last))
            .all(self.pools().reader())
            .await?
            .into_iter()
            .map(JournalEntry::try_from)
            .collect::<Result<_, _>>()?;
        self.partition_hint().update(&entries);
        self.read_activity().note();
        Ok(entries)
    }

    /// Positions after `seq`, in order, without bodies.
    pub async fn list_positions(
        &self,
        seq: i64,
        limit: u64,
    ) -> Result<Vec<JournalPosition>, Error> {
        let rows: Vec<(i64, Uuid, i64)> = entries_after(seq, None)
            .select_only()
            .columns([Column::Seq, Column::Id, Column::ReceivedAt])
            .limit(limit)
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        rows.into_iter()
            .map(|(seq, id, received_at)| {
                Ok(JournalPosition {
                    seq,
                    id: id.into(),
                    received_at: instant::from_millis("journal", "received_at", received_at)?,
                })
            })
            .collect()
    }

    async fn list_entry_sizes(
        &self,
        seq: i64,
        limit: u64,
        first_id: Option<Uuid>,
    ) -> Result<Vec<EntrySize>, Error> {
        Ok(entries_after(seq, first_id)
            .select_only()
            .columns([Column::Seq, Column::Size])
            .limit(limit)
            .into_model::<EntrySize>()
            .all(self.pools().reader())
            .await?)
    }

    /// Whether no next entry is missing: the sequence numbers have no gap, or the journal ends at
    /// `seq`.
    async fn is_complete(&self, seq: i64, sizes: &[EntrySize]) -> Result<bool, Error> {
        if sizes.is_empty() {
            return Ok(self.end().await? <= seq);
        }
        Ok((seq + 1..)
            .zip(sizes)
            .all(|(next, entry)| entry.seq == next))
    }
}

fn entries_after(seq: i64, first_id: Option<Uuid>) -> Select<Entity> {
    let entries = Entity::find()
        .filter(Column::Seq.gt(seq))
        .order_by_asc(Column::Seq);
    match first_id {
        Some(id) => entries.filter(Column::Id.gte(id)),
        None => entries,
    }
}

/// The last `seq` up to which the bodies fit into the limit. The first body always counts as
/// fitting, because otherwise a large one could never be read.
fn last_within(sizes: &[EntrySize], byte_limit: u64) -> Option<i64> {
    let mut bytes = 0_u64;
    sizes
        .iter()
        .enumerate()
        .take_while(|(index, entry)| {
            bytes = bytes.saturating_add(u64::try_from(entry.size).unwrap_or_default());
            *index == 0 || bytes <= byte_limit
        })
        .map(|(_, entry)| entry.seq)
        .last()
}
