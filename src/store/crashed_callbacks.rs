//! Callbacks on which the process died twice. They are kept apart from their outcomes, which a
//! rebuild deletes.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};

use crate::db::{Error, instant};
use crate::domain::ids::CallbackId;
use crate::store::Store;
use crate::store::entities::crashed_callback_row::{Column, Entity, Model};

/// The fault may be fixed in another version of the program, which therefore tries again.
const PROGRAM_VERSION: &str = env!("CARGO_PKG_VERSION");
/// Beyond this number, the oldest are deleted. The process died twice for each.
const MAX_KEPT: u64 = 10_000;

impl Store {
    /// From now on this version of the program does not process the callback.
    pub async fn record_crashed_callback(
        &self,
        callback: CallbackId,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let row = Model {
            callback: callback.uuid(),
            program_version: PROGRAM_VERSION.to_owned(),
            crashed_at: instant::to_millis(now),
        };
        let again = OnConflict::column(Column::Callback)
            .update_columns([Column::ProgramVersion, Column::CrashedAt])
            .to_owned();
        let recorded = self
            .pools()
            .within(async |transaction| {
                Entity::insert(row.into_active_model())
                    .on_conflict(again)
                    .exec_without_returning(transaction)
                    .await?;
                let surplus = Entity::find()
                    .order_by_desc(Column::CrashedAt)
                    .offset(MAX_KEPT)
                    .limit(1)
                    .one(transaction)
                    .await?;
                if let Some(oldest) = surplus {
                    Entity::delete_many()
                        .filter(Column::CrashedAt.lte(oldest.crashed_at))
                        .exec(transaction)
                        .await?;
                }
                Ok(())
            })
            .await;
        self.record_write(recorded)
    }

    /// Callbacks that this version of the program does not process.
    pub async fn list_crashed_callbacks(&self) -> Result<HashSet<CallbackId>, Error> {
        let rows = Entity::find()
            .filter(Column::ProgramVersion.eq(PROGRAM_VERSION))
            .all(self.pools().reader())
            .await?;
        Ok(rows.into_iter().map(|row| row.callback.into()).collect())
    }
}
