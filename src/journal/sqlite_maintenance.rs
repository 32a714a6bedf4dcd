//! Maintenance of SQLite's journal that the writer runs between two batches.

use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, Statement};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::db::Error;
use crate::db::pools::Pools;
use crate::journal::journal_row::{Column, Entity};

/// Free pages released per task, since releasing one moves another page.
const RELEASED_PAGES: u32 = 64;

#[derive(Clone, Debug)]
pub(super) enum MaintenanceTask {
    /// Delete all rows up to this seq.
    DeleteUpTo(i64),
    /// Delete these callbacks.
    Delete(Vec<Uuid>),
    /// Return some free pages to the file system.
    ReleaseFreePages,
}

/// A task and where to send its result.
#[derive(Debug)]
pub(super) struct MaintenanceRequest {
    pub(super) task: MaintenanceTask,
    pub(super) reply: oneshot::Sender<Result<u64, Error>>,
}

/// Returns the number of deleted rows, or of pages still free.
pub(super) async fn run(pools: &Pools, task: MaintenanceTask) -> Result<u64, Error> {
    match task {
        MaintenanceTask::DeleteUpTo(seq) => delete_up_to(pools, seq).await,
        MaintenanceTask::Delete(ids) => delete(pools, ids).await,
        MaintenanceTask::ReleaseFreePages => pools.release_free_pages(RELEASED_PAGES).await,
    }
}

async fn delete_up_to(pools: &Pools, seq: i64) -> Result<u64, Error> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Sqlite,
        "DELETE FROM journal WHERE seq <= $1",
        [seq.into()],
    );
    pools
        .within(async |transaction| Ok(transaction.execute_raw(statement).await?.rows_affected()))
        .await
}

pub(super) async fn delete(pools: &Pools, ids: Vec<Uuid>) -> Result<u64, Error> {
    pools
        .within(async |transaction| {
            let deleted = Entity::delete_many()
                .filter(Column::Id.is_in(ids))
                .exec(transaction)
                .await?;
            Ok(deleted.rows_affected)
        })
        .await
}
