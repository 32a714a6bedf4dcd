//! Forwards message changes between processes for live pages: each process reads the changes of the
//! others in commit order and publishes them to its own subscribers.
//!
//! With SQLite there is one process: callers do not use this file, except [`Store::trim_changes`],
//! which then does nothing.

use sea_orm::{
    ActiveValue, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};

use crate::db::{Error, instant};
use crate::store::Store;
use crate::store::entities::change_row::{Column, Entity, Model};
use crate::store::ledger::message_change::FeedChange;
use crate::store::ledger::message_ledger::Ledger;

/// Rows per statement, so that bound values stay below PostgreSQL's limit of 65,535.
const ROWS_PER_STATEMENT: usize = 4_000;
/// Changes per query.
const READ_LIMIT: u64 = 2_000;
/// Changes kept for processes that lag behind. Pages of a process that lags further are stale until
/// the next change or reload.
const KEPT_CHANGES: i64 = 100_000;

/// The last change that a process has read, its own included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FeedPosition(i64);

impl Store {
    /// The end of the feed.
    pub async fn last_feed_position(&self) -> Result<FeedPosition, Error> {
        let last: Option<Option<i64>> = Entity::find()
            .select_only()
            .column_as(Column::Seq.max(), "last")
            .into_tuple()
            .one(self.pools().reader())
            .await?;
        Ok(FeedPosition(last.flatten().unwrap_or_default()))
    }

    /// Publishes what other processes changed since `position`; returns the new position.
    pub async fn publish_remote_changes(
        &self,
        mut position: FeedPosition,
    ) -> Result<FeedPosition, Error> {
        loop {
            let rows = Entity::find()
                .filter(Column::Seq.gt(position.0))
                .order_by_asc(Column::Seq)
                .limit(READ_LIMIT)
                .all(self.pools().reader())
                .await?;
            let Some(last) = rows.last() else {
                return Ok(position);
            };
            position = FeedPosition(last.seq);
            for row in rows {
                // This process published its own changes at their commit.
                if row.process != self.process {
                    self.publish(FeedChange::try_from(row)?);
                }
            }
        }
    }

    /// Deletes all but the last `KEPT_CHANGES` changes.
    pub async fn trim_changes(&self) -> Result<u64, Error> {
        if !self.is_shared() {
            return Ok(0);
        }
        let FeedPosition(end) = self.last_feed_position().await?;
        let trimmed = Entity::delete_many()
            .filter(Column::Seq.lte(end - KEPT_CHANGES))
            .exec(self.pools().writer())
            .await?;
        Ok(trimmed.rows_affected)
    }
}

impl Ledger {
    /// Writes the changes of this transaction for the other processes.
    pub(super) async fn record_changes(&self, changes: &[FeedChange]) -> Result<(), Error> {
        for chunk in changes.chunks(ROWS_PER_STATEMENT) {
            let rows = chunk.iter().map(|change| {
                let row = Model {
                    seq: 0,
                    process: self.process(),
                    message: change.message.uuid(),
                    account: change.account.clone(),
                    state: change.state,
                    updated_at: instant::to_millis(change.updated_at),
                };
                let mut row = row.into_active_model();
                row.seq = ActiveValue::NotSet;
                row
            });
            Entity::insert_many(rows)
                .exec_without_returning(self.transaction())
                .await?;
        }
        Ok(())
    }
}

impl TryFrom<Model> for FeedChange {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        Ok(Self {
            message: row.message.into(),
            account: row.account,
            state: row.state,
            updated_at: instant::from_millis("changes", "updated_at", row.updated_at)?,
        })
    }
}
