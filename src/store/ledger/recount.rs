//! Counts all messages again.

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use crate::db::Error;
use crate::store::entities::message_row;
use crate::store::ledger::count_sums;
use crate::store::ledger::message_counts::{self, BUCKET};
use crate::store::store_settings;

/// Messages loaded at a time.
const CHUNK: u64 = 400;

/// Counts all messages again, except in quarter hours with purged messages, whose counts stay.
pub(in crate::store) async fn recount(connection: &impl ConnectionTrait) -> Result<(), Error> {
    let since = store_settings::counts_purged_before(connection)
        .await?
        .unwrap_or_default();
    // The first quarter hour without purged messages.
    let since = since.div_euclid(BUCKET) * BUCKET + if since % BUCKET == 0 { 0 } else { BUCKET };
    message_counts::delete_counts(connection, since).await?;
    let mut after = Uuid::nil();
    loop {
        let rows = message_row::Entity::find()
            .filter(message_row::Column::Id.gt(after))
            .filter(
                message_row::Column::CreatedAt
                    .gte(since)
                    .or(message_row::Column::CountedAt.gte(since)),
            )
            .order_by_asc(message_row::Column::Id)
            .limit(CHUNK)
            .all(connection)
            .await?;
        let Some(last) = rows.last() else {
            return count_sums::sum_again(connection, since).await;
        };
        after = last.id;
        let mut sum = message_counts::Differences::default();
        for row in &rows {
            sum.note(None, Some(row));
        }
        sum.write(connection).await?;
    }
}

/// Counts what an earlier version did not count: charges, and messages by campaign. Once per
/// database, right after the migration.
pub(in crate::store) async fn count_charges_once(
    connection: &impl ConnectionTrait,
) -> Result<(), Error> {
    if store_settings::are_charges_counted(connection).await? {
        return Ok(());
    }
    recount(connection).await?;
    store_settings::note_charges_counted(connection).await
}
