//! The live feed across processes: what one of them changed, the others read in the order of the commits and tell their own listeners.
//!
//! On SQLite there is one process, and nothing is written or read here.

use sea_orm::{
    ActiveValue, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};

use crate::db::{Error, instant};
use crate::store::Store;
use crate::store::entities::changes::{Column, Entity, Model};
use crate::store::ledger::{Change, Ledger};

/// Rows a statement may hold so that its bound values stay below PostgreSQL's 65,535.
const ROWS_PER_STATEMENT: usize = 4_000;
/// Changes read at once; more than a slow listener may fall behind.
const READ_LIMIT: u64 = 2_000;
/// Changes that are kept for processes that fell behind. One that fell further shows what it missed with the next change or page.
const KEPT: i64 = 100_000;

/// How far a process has read the changes of the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FeedPosition(i64);

impl Store {
    /// Where the feed ends now.
    pub async fn feed_end(&self) -> Result<FeedPosition, Error> {
        let last: Option<Option<i64>> = Entity::find()
            .select_only()
            .column_as(Column::Seq.max(), "last")
            .into_tuple()
            .one(self.pools().reader())
            .await?;
        Ok(FeedPosition(last.flatten().unwrap_or_default()))
    }

    /// Tells this process's listeners what the others changed since `position`; returns how far that was.
    pub async fn tell_changes(&self, mut position: FeedPosition) -> Result<FeedPosition, Error> {
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
                // What this process changed, it told at once.
                if row.writer != self.process {
                    self.tell(Change::try_from(row)?);
                }
            }
        }
    }

    /// Forgets changes that every process has read long ago.
    pub async fn trim_changes(&self) -> Result<u64, Error> {
        if !self.is_shared() {
            return Ok(0);
        }
        let FeedPosition(end) = self.feed_end().await?;
        let trimmed = Entity::delete_many()
            .filter(Column::Seq.lte(end - KEPT))
            .exec(self.pools().writer())
            .await?;
        Ok(trimmed.rows_affected)
    }
}

impl Ledger {
    /// Leaves what this transaction changes for the other processes.
    pub(super) async fn leave_changes(&self, changes: &[Change]) -> Result<(), Error> {
        for chunk in changes.chunks(ROWS_PER_STATEMENT) {
            let rows = chunk.iter().map(|change| {
                let row = Model {
                    seq: 0,
                    writer: self.process(),
                    message: change.message.uuid(),
                    account: change.account.clone(),
                    state: change.state,
                    updated_at: instant::write(change.updated_at),
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

impl TryFrom<Model> for Change {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        Ok(Self {
            message: row.message.into(),
            account: row.account,
            state: row.state,
            updated_at: instant::read("changes", "updated_at", row.updated_at)?,
        })
    }
}
