//! Uploaded files where several processes share a database: whoever hands a message over finds its file here.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, QueryTrait,
};

use crate::db::{Error, in_time, instant};
use crate::domain::delivery_state::QueueState;
use crate::domain::ids::MessageId;
use crate::domain::message::Origin;
use crate::store::Store;
use crate::store::entities::messages;
use crate::store::entities::uploads::{Column, Entity, Model};

impl Store {
    /// Keeps a file for a message that is about to be stored.
    pub async fn keep_upload(
        &self,
        message: MessageId,
        content: Vec<u8>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let row = Model {
            message: message.uuid(),
            content,
            created_at: instant::write(now),
        };
        let insert = Entity::insert(row.into_active_model());
        // The sender waits. What is written after that has no message, and is dropped in time.
        in_time(async {
            insert.exec_without_returning(self.pools().writer()).await?;
            Ok(())
        })
        .await
    }

    /// The file of a message.
    pub async fn find_upload(&self, message: MessageId) -> Result<Option<Vec<u8>>, Error> {
        let row = Entity::find_by_id(message.uuid())
            .one(self.pools().reader())
            .await?;
        Ok(row.map(|row| row.content))
    }

    /// Forgets files that nobody will hand over: of messages that wait no more, and those older than `before` whose message never came to be.
    pub async fn drop_uploads(&self, before: DateTime<Utc>) -> Result<u64, Error> {
        let of_upload =
            Expr::col((messages::Entity, messages::Column::Id)).equals((Entity, Column::Message));
        let known = messages::Entity::find()
            .select_only()
            .column(messages::Column::Id)
            .filter(of_upload.clone());
        let waiting = known
            .clone()
            .filter(messages::Column::Origin.ne(Origin::DryRun))
            .filter(messages::Column::Queue.is_in([QueueState::Queued, QueueState::Sending]));
        let over = Condition::any()
            .add(Expr::exists(known.into_query()))
            .add(Column::CreatedAt.lt(instant::write(before)));
        let dropped = Entity::delete_many()
            .filter(over)
            .filter(Expr::not_exists(waiting.into_query()))
            .exec(self.pools().writer())
            .await?;
        Ok(dropped.rows_affected)
    }
}
