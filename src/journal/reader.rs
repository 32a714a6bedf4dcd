//! Reads the journal in order, for the reconciler and for commands.

use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Select,
};
use uuid::Uuid;

use crate::db::Error;
use crate::db::instant;
use crate::domain::callback_record::{JournalEntry, JournalPosition};
use crate::journal::entry_row::read_entries;
use crate::journal::journal_handle::Journal;
use crate::journal::journal_row::{Column, Entity, NextEntries};

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
        let mut next = self.measure_next(seq, limit, byte_limit, first_id).await?;
        if first_id.is_some() && !self.is_complete(seq, &next).await? {
            // An older entry was appended late, or a sequence number is unused.
            first_id = None;
            next = self.measure_next(seq, limit, byte_limit, first_id).await?;
        }
        // The first body always counts as fitting, because otherwise a large one could never be read.
        let Some(last) = next.last_fitting.or(next.first) else {
            return Ok(Vec::new());
        };
        let next = entries_after(seq, first_id).filter(Column::Seq.lte(last));
        let entries = read_entries(self.pools().reader(), next).await?;
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

    /// Measures the next entries in the database, because values that leave it one by one are slow.
    async fn measure_next(
        &self,
        seq: i64,
        limit: u64,
        byte_limit: u64,
        first_id: Option<Uuid>,
    ) -> Result<NextEntries, Error> {
        let sizes = entries_after(seq, first_id)
            .select_only()
            .columns([Column::Seq, Column::Size])
            .limit(limit)
            .into_query();
        let sums = Query::select()
            .column(Column::Seq)
            .expr_as(Expr::cust("SUM(size) OVER (ORDER BY seq)"), "bytes")
            .from_subquery(sizes, "sizes")
            .take();
        let byte_limit = i64::try_from(byte_limit).unwrap_or(i64::MAX);
        let fits = Expr::col("bytes").lte(byte_limit);
        let fitting: Expr = Expr::case(fits, Expr::col(Column::Seq)).into();
        let next = Query::select()
            .expr_as(Expr::col(Column::Seq).count(), "entries")
            .expr_as(Expr::col(Column::Seq).min(), "first")
            .expr_as(Expr::col(Column::Seq).max(), "last")
            .expr_as(fitting.max(), "last_fitting")
            .from_subquery(sums, "sums")
            .take();
        let connection = self.pools().reader();
        let statement = connection.get_database_backend().build(&next);
        let next = NextEntries::find_by_statement(statement).one(connection);
        Ok(next.await?.unwrap_or_default())
    }

    /// Whether no next entry is missing: the sequence numbers have no gap, or the journal ends at
    /// `seq`.
    async fn is_complete(&self, seq: i64, next: &NextEntries) -> Result<bool, Error> {
        match (next.first, next.last) {
            (Some(first), Some(last)) => Ok(first == seq + 1 && last == seq + next.entries),
            _ => Ok(self.end().await? <= seq),
        }
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
