//! The beginning and the end of a rebuild: deletes what callbacks produced, so that reprocessing
//! the journal produces it again, and finally deletes what was not produced again.
//!
//! Kept are sent and registered messages, attempts, ids from replies and registrations, operator
//! decisions, and the effects of callbacks that the journal no longer has. Orphans and observed
//! messages keep their rows until the end, so that an adopted one stays adopted.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use crate::db::{Error, instant};
use crate::domain::callback_record::JournalPosition;
use crate::domain::message::{MatchedBy, Origin};
use crate::domain::receipt::SourceKind;
use crate::store::entities::{
    account_event_row, callback_outcome_row, merged_message_row, message_row, quarantined_part_row,
    receipt_row,
};
use crate::store::ledger::forget_ids::{FIRST_SEQ, ForgetScope};
use crate::store::ledger::message_ledger::{Ledger, UpdateTimes};
use crate::store::ledger::recount;
use crate::store::messages::message_lookup::list_ids;
use crate::store::{Store, outcome_counts, store_settings};

/// Messages per query.
const CHUNK_SIZE: u64 = 400;

impl Ledger {
    /// Keeps `updated_at`: reprocessing does not count as a change.
    pub fn preserve_updated_at(&mut self) {
        self.times = UpdateTimes::Kept;
    }

    /// Deletes the effects of callbacks in the journal; returns the number of folded messages.
    async fn delete_derived(&mut self, start: JournalPosition) -> Result<u64, Error> {
        self.preserve_updated_at();
        self.forget_callbacks(start).await?;
        let mut after = Uuid::nil();
        let mut folded = 0;
        loop {
            let next = message_row::Entity::find()
                .filter(message_row::Column::Id.gt(after))
                .order_by_asc(message_row::Column::Id)
                .limit(CHUNK_SIZE);
            let ids = list_ids(&self.transaction, next).await?;
            let Some(last) = ids.last() else {
                return Ok(folded);
            };
            after = last.uuid();
            folded += u64::try_from(ids.len()).unwrap_or_default();
            self.load(&ids).await?;
            self.reset_loaded(start);
            self.flush_and_unload().await?;
        }
    }

    async fn forget_callbacks(&mut self, start: JournalPosition) -> Result<(), Error> {
        let transaction = &self.transaction;
        receipt_row::Entity::delete_many()
            .filter(receipt_row::Column::SourceKind.eq(SourceKind::Callback))
            .filter(receipt_row::Column::Source.in_subquery(callbacks_since(start)))
            .exec(transaction)
            .await?;
        quarantined_part_row::Entity::delete_many()
            .filter(quarantined_part_row::Column::Callback.in_subquery(callbacks_since(start)))
            .exec(transaction)
            .await?;
        account_event_row::Entity::delete_many()
            .filter(account_event_row::Column::Callback.in_subquery(callbacks_since(start)))
            .exec(transaction)
            .await?;
        let outcomes = Condition::all()
            .add(callback_outcome_row::Column::Seq.gte(start.seq))
            .add(callback_outcome_row::Column::Callback.gte(start.id.uuid()));
        outcome_counts::remove_outcomes(transaction, outcomes).await?;
        outcome_counts::count_again_from(transaction, start.seq).await?;
        let since = (start.seq != FIRST_SEQ).then_some(start.received_at);
        self.forget_links(since).await?;
        self.forget_ids(ForgetScope::Since(start)).await
    }

    fn reset_loaded(&mut self, start: JournalPosition) {
        let journal_start = instant::to_millis(start.received_at);
        for entry in self.entries.values_mut() {
            entry.mark_ids_changed();
            let by_recipient = entry.row.matched_by == Some(MatchedBy::Recipient);
            // The report that matched arrived after the submission, so the journal has it.
            let submitted_at = entry.row.submission_started_at;
            let is_matched_again =
                start.seq == FIRST_SEQ || submitted_at.is_some_and(|at| at > journal_start);
            if by_recipient && is_matched_again {
                entry.row.matched_by = None;
            }
        }
    }

    /// Deletes orphans and observed messages without receipts, and references to deleted messages.
    async fn delete_unreported(&mut self) -> Result<(), Error> {
        self.preserve_updated_at();
        let mut after = Uuid::nil();
        loop {
            let next = message_row::Entity::find()
                .filter(message_row::Column::Id.gt(after))
                .filter(message_row::Column::Origin.is_in([Origin::Orphan, Origin::Observed]))
                .filter(Expr::exists(receipts_of_message()).not())
                .order_by_asc(message_row::Column::Id)
                .limit(CHUNK_SIZE);
            let ids = list_ids(&self.transaction, next).await?;
            let Some(last) = ids.last() else { break };
            after = last.uuid();
            self.load(&ids).await?;
            for entry in self.entries.values_mut() {
                entry.touched = true;
                entry.receipts_removed = true;
            }
            self.flush_and_unload().await?;
        }
        self.retry_id_claims().await?;
        self.flush_and_unload().await?;
        self.delete_dangling_merges().await
    }

    async fn delete_dangling_merges(&self) -> Result<(), Error> {
        let transaction = &self.transaction;
        let every_message = || {
            Query::select()
                .column(message_row::Column::Id)
                .from(message_row::Entity)
                .to_owned()
        };
        merged_message_row::Entity::delete_many()
            .filter(
                merged_message_row::Column::Survivor
                    .not_in_subquery(every_message())
                    .or(merged_message_row::Column::Id.in_subquery(every_message())),
            )
            .exec(transaction)
            .await?;
        Ok(())
    }
}

/// Callbacks in the journal. PostgreSQL purges whole days, so a `seq` after the first may be gone;
/// its id is below the smallest.
fn callbacks_since(start: JournalPosition) -> SelectStatement {
    Query::select()
        .column(callback_outcome_row::Column::Callback)
        .from(callback_outcome_row::Entity)
        .and_where(callback_outcome_row::Column::Seq.gte(start.seq))
        .and_where(callback_outcome_row::Column::Callback.gte(start.id.uuid()))
        .to_owned()
}

fn receipts_of_message() -> SelectStatement {
    Query::select()
        .expr(Expr::value(1))
        .from(receipt_row::Entity)
        .and_where(
            Expr::col((receipt_row::Entity, receipt_row::Column::Message))
                .equals((message_row::Entity, message_row::Column::Id)),
        )
        .to_owned()
}

impl Store {
    /// Deletes the effects of callbacks since `start`, which has the lowest `seq` and the smallest
    /// id of the journal, and sets the position before it. Returns the number of folded messages.
    ///
    /// One transaction: an interrupted rebuild has either not begun or is a backlog for the next
    /// reconciler.
    pub async fn begin_rebuild(
        &self,
        start: JournalPosition,
        now: DateTime<Utc>,
    ) -> Result<u64, Error> {
        self.change_in_background(now, async |ledger| {
            let folded = ledger.delete_derived(start).await?;
            store_settings::begin_rebuild(ledger.transaction(), start.seq - 1).await?;
            Ok(folded)
        })
        .await
    }

    /// Ends a rebuild after the last callback was reprocessed.
    pub async fn finish_rebuild(&self, now: DateTime<Utc>) -> Result<(), Error> {
        self.change_in_background(now, async |ledger| {
            ledger.delete_unreported().await?;
            recount::recount(ledger.transaction(), &mut |_| {}).await?;
            store_settings::end_rebuild(ledger.transaction()).await
        })
        .await
    }
}
