//! Dropping what is derived, so that reading the journal again derives it anew; and the end of that, when leftovers go.
//!
//! Kept are the roots: sent and registered messages, attempts, ids from replies and registrations, operator decisions, and whatever came from
//! callbacks that the journal does not hold any more. Messages known only from callbacks keep their rows until the end, so that one adopted
//! before is adopted afterwards; those that nothing tells of again go then.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, Query, SelectStatement};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use crate::db::{Error, instant};
use crate::domain::callback_record::JournalPosition;
use crate::domain::ids::MessageId;
use crate::domain::message::{MatchedBy, Origin};
use crate::domain::receipt::SourceKind;
use crate::store::entities::{
    callback_outcome_row, merged_message_row, message_row, quarantined_part_row, receipt_row,
};
use crate::store::ledger::forget_ids::{FIRST_SEQ, ForgetScope};
use crate::store::ledger::message_counts::{self, BUCKET};
use crate::store::ledger::message_ledger::{Ledger, UpdateTimes};
use crate::store::{Store, store_settings};

/// Messages folded in one go.
const CHUNK: u64 = 400;

impl Ledger {
    /// Leaves `updated_at` as it is: what is derived again did not change now.
    pub fn keep_times(&mut self) {
        self.times = UpdateTimes::Kept;
    }

    /// Takes back whatever came from callbacks that the journal still holds; returns how many messages were folded anew.
    pub(crate) async fn strip(&mut self, start: JournalPosition) -> Result<u64, Error> {
        self.keep_times();
        self.forget_callbacks(start).await?;
        let mut after = Uuid::nil();
        let mut folded = 0;
        loop {
            let ids: Vec<Uuid> = message_row::Entity::find()
                .select_only()
                .column(message_row::Column::Id)
                .filter(message_row::Column::Id.gt(after))
                .order_by_asc(message_row::Column::Id)
                .limit(CHUNK)
                .into_tuple()
                .all(&self.transaction)
                .await?;
            let Some(last) = ids.last() else {
                return Ok(folded);
            };
            after = *last;
            folded += u64::try_from(ids.len()).unwrap_or_default();
            let ids: Vec<MessageId> = ids.into_iter().map(MessageId::from).collect();
            self.load(&ids).await?;
            self.strip_loaded(start);
            self.settle().await?;
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
        callback_outcome_row::Entity::delete_many()
            .filter(callback_outcome_row::Column::Seq.gte(start.seq))
            .filter(callback_outcome_row::Column::Callback.gte(start.id.uuid()))
            .exec(transaction)
            .await?;
        self.forget_ids(ForgetScope::Since(start)).await
    }

    fn strip_loaded(&mut self, start: JournalPosition) {
        let horizon = instant::write(start.received_at);
        for entry in self.entries.values_mut() {
            entry.touched = true;
            entry.renamed = true;
            let by_recipient = entry.row.matched_by == Some(MatchedBy::Recipient);
            // The report that matched came after the hand-over, so it was not purged either.
            let again =
                start.seq == FIRST_SEQ || entry.row.handed_over_at.is_some_and(|at| at > horizon);
            if by_recipient && again {
                entry.row.matched_by = None;
            }
        }
    }

    /// Removes what nothing told of again: messages known only from callbacks without a fact, and whatever points to messages that are gone.
    pub(crate) async fn sweep_leftovers(&mut self) -> Result<(), Error> {
        self.keep_times();
        let mut after = Uuid::nil();
        loop {
            let ids: Vec<Uuid> = message_row::Entity::find()
                .select_only()
                .column(message_row::Column::Id)
                .filter(message_row::Column::Id.gt(after))
                .filter(message_row::Column::Origin.is_in([Origin::Orphan, Origin::Observed]))
                .filter(Expr::exists(facts_of_the_message()).not())
                .order_by_asc(message_row::Column::Id)
                .limit(CHUNK)
                .into_tuple()
                .all(&self.transaction)
                .await?;
            let Some(last) = ids.last() else { break };
            after = *last;
            let ids: Vec<MessageId> = ids.into_iter().map(MessageId::from).collect();
            self.load(&ids).await?;
            for entry in self.entries.values_mut() {
                entry.touched = true;
                entry.stripped = true;
            }
            self.settle().await?;
        }
        self.retry_id_claims().await?;
        self.settle().await?;
        self.sweep_pointers().await
    }

    /// Counts everything anew but quarter hours of which messages were purged: purging subtracts nothing.
    async fn recount(&self) -> Result<(), Error> {
        let transaction = &self.transaction;
        let since = store_settings::purged_before(transaction)
            .await?
            .unwrap_or_default();
        // Whole quarter hours: of one that was purged in part nobody knows the rest.
        let since =
            since.div_euclid(BUCKET) * BUCKET + if since % BUCKET == 0 { 0 } else { BUCKET };
        message_counts::forget(transaction, since).await?;
        let mut after = Uuid::nil();
        loop {
            let rows = message_row::Entity::find()
                .filter(message_row::Column::Id.gt(after))
                .filter(message_row::Column::CreatedAt.gte(since))
                .order_by_asc(message_row::Column::Id)
                .limit(CHUNK)
                .all(transaction)
                .await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = last.id;
            let mut sum = message_counts::Differences::default();
            for row in &rows {
                sum.note(None, Some(row));
            }
            sum.write(transaction).await?;
        }
    }

    async fn sweep_pointers(&self) -> Result<(), Error> {
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

/// What the journal still holds. Whole days leave PostgreSQL's, so places after its first may be gone: their ids lie below the smallest.
fn callbacks_since(start: JournalPosition) -> SelectStatement {
    Query::select()
        .column(callback_outcome_row::Column::Callback)
        .from(callback_outcome_row::Entity)
        .and_where(callback_outcome_row::Column::Seq.gte(start.seq))
        .and_where(callback_outcome_row::Column::Callback.gte(start.id.uuid()))
        .to_owned()
}

fn facts_of_the_message() -> SelectStatement {
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
    /// Drops what is derived from callbacks since `start` (the lowest place and, whichever callback's it is, the smallest id), and sets the position before them; reading on to where it stood derives it again.
    ///
    /// One transaction: an interrupted rebuild is either not begun, or an unread backlog that the next reconciler reads.
    pub async fn begin_rebuild(
        &self,
        start: JournalPosition,
        now: DateTime<Utc>,
    ) -> Result<u64, Error> {
        let mut ledger = self.ledger(now).await?;
        let begun = async {
            let folded = ledger.strip(start).await?;
            store_settings::begin_rebuild(ledger.transaction(), start.seq - 1).await?;
            Ok(folded)
        }
        .await;
        match begun {
            Ok(folded) => self.commit(ledger).await.map(|()| folded),
            Err(error) => {
                ledger.roll_back().await;
                Err(error)
            }
        }
    }

    /// Ends a rebuild that has read everything: what nothing told of again goes.
    pub async fn finish_rebuild(&self, now: DateTime<Utc>) -> Result<(), Error> {
        let mut ledger = self.ledger(now).await?;
        let ended = async {
            ledger.sweep_leftovers().await?;
            ledger.recount().await?;
            store_settings::end_rebuild(ledger.transaction()).await
        }
        .await;
        match ended {
            Ok(()) => self.commit(ledger).await,
            Err(error) => {
                ledger.roll_back().await;
                Err(error)
            }
        }
    }
}
