//! Counts all messages again.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use uuid::Uuid;

use crate::db::Error;
use crate::store::entities::message_row;
use crate::store::ledger::count_sums;
use crate::store::ledger::message_counts::{self, BUCKET_MILLIS};
use crate::store::store_settings;

/// Messages per query.
const CHUNK_SIZE: u64 = 400;

/// How many of all messages are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecountProgress {
    pub counted: u64,
    pub total: u64,
}

/// Counts all messages again, except in quarter hours with purged messages, whose counts stay.
/// Calls `progress` at the beginning and after every few hundred messages.
pub(in crate::store) async fn recount(
    connection: &impl ConnectionTrait,
    progress: &mut impl FnMut(RecountProgress),
) -> Result<(), Error> {
    let since = store_settings::counts_purged_before(connection)
        .await?
        .unwrap_or_default();
    // The first quarter hour without purged messages.
    let since = since.div_euclid(BUCKET_MILLIS) * BUCKET_MILLIS
        + if since % BUCKET_MILLIS == 0 {
            0
        } else {
            BUCKET_MILLIS
        };
    let all = message_row::Entity::find().select_only();
    let total = all
        .column(message_row::Column::Id)
        .count(connection)
        .await?;
    let mut counted = 0;
    progress(RecountProgress { counted, total });
    count_sums::delete_quarter_hours(connection, since).await?;
    let countable = Condition::any()
        .add(message_row::Column::CreatedAt.gte(since))
        .add(message_row::Column::CountedAt.gte(since));
    let mut after = Uuid::nil();
    loop {
        let rows = message_row::Entity::find()
            .filter(message_row::Column::Id.gt(after))
            .filter(countable.clone())
            .order_by_asc(message_row::Column::Id)
            .limit(CHUNK_SIZE)
            .all(connection)
            .await?;
        let Some(last) = rows.last() else {
            return count_sums::recompute_sums(connection, since).await;
        };
        after = last.id;
        let mut sum = message_counts::Differences::default();
        for row in &rows {
            sum.note(None, Some(row));
        }
        count_sums::write_quarter_hours(connection, sum).await?;
        counted += rows.len() as u64;
        progress(RecountProgress { counted, total });
    }
}

/// Counts what an earlier version did not count: charges, and messages by campaign. Once per
/// database, right after the migration.
pub(in crate::store) async fn count_charges_once(
    connection: &impl ConnectionTrait,
    progress: &mut impl FnMut(RecountProgress),
) -> Result<(), Error> {
    if store_settings::are_charges_counted(connection).await? {
        return Ok(());
    }
    recount(connection, progress).await?;
    store_settings::note_charges_counted(connection).await
}
