//! Uploaded files, where several processes share a database and any of them may submit the message.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
    QuerySelect, QueryTrait, Statement, Value,
};
use uuid::Uuid;

use crate::db::{Error, in_time, instant};
use crate::domain::delivery_state::{DeliveryState, QueueState};
use crate::domain::ids::MessageId;
use crate::domain::message::{Message, Origin};
use crate::store::Store;
use crate::store::entities::message_row;
use crate::store::entities::upload_row::{Column, Entity, Model};
use crate::store::ledger::message_ledger::Ledger;
use crate::store::messages::message_lookup::list_ids;

/// When a file is no longer served.
#[derive(Clone, Copy, Debug)]
pub struct HostingEnd {
    /// Files of messages whose state has been final since before this instant.
    pub final_before: DateTime<Utc>,
    /// Files of messages that were created before this instant, in any state.
    pub created_before: DateTime<Utc>,
}

const FINAL_STATES: [DeliveryState; 5] = [
    DeliveryState::Delivered,
    DeliveryState::Read,
    DeliveryState::Played,
    DeliveryState::Failed,
    DeliveryState::Cancelled,
];

/// Messages whose file is still served.
fn is_hosted(end: HostingEnd) -> Condition {
    let recent = Condition::any()
        .add(message_row::Column::State.is_not_in(FINAL_STATES))
        .add(message_row::Column::UpdatedAt.gte(instant::to_millis(end.final_before)));
    Condition::all()
        .add(message_row::Column::MediaToken.is_not_null())
        .add(message_row::Column::CreatedAt.gte(instant::to_millis(end.created_before)))
        .add(recent)
}

impl Store {
    pub async fn find_by_media_token(&self, token: &str) -> Result<Option<Message>, Error> {
        let found = message_row::Entity::find()
            .filter(message_row::Column::MediaToken.eq(token))
            .one(self.pools().reader())
            .await?;
        found.map(Message::try_from).transpose()
    }

    /// Which of these messages have a file that is still served.
    pub async fn list_hosted(
        &self,
        ids: &[MessageId],
        end: HostingEnd,
    ) -> Result<HashSet<MessageId>, Error> {
        let hosted = message_row::Entity::find()
            .filter(message_row::Column::Id.is_in(ids.iter().map(|id| id.uuid())))
            .filter(is_hosted(end));
        let hosted = list_ids(self.pools().reader(), hosted).await?;
        Ok(hosted.into_iter().collect())
    }

    /// Stores the file of a message that is about to be accepted.
    pub async fn store_upload(
        &self,
        message: MessageId,
        content: Vec<u8>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let row = Model {
            message: message.uuid(),
            content,
            created_at: instant::to_millis(now),
        };
        let insert = Entity::insert(row.into_active_model());
        // The caller waits. A file written after the timeout has no message and is deleted later.
        in_time(async {
            insert.exec_without_returning(self.pools().writer()).await?;
            Ok(())
        })
        .await
    }

    pub async fn find_upload(&self, message: MessageId) -> Result<Option<Vec<u8>>, Error> {
        let row = Entity::find_by_id(message.uuid())
            .one(self.pools().reader())
            .await?;
        Ok(row.map(|row| row.content))
    }

    pub async fn has_upload(&self, message: MessageId) -> Result<bool, Error> {
        let found: Option<Uuid> = Entity::find_by_id(message.uuid())
            .select_only()
            .column(Column::Message)
            .into_tuple()
            .one(self.pools().reader())
            .await?;
        Ok(found.is_some())
    }

    /// Deletes files that are not needed any more: of messages that left the queue, and those older
    /// than `before` whose message was never stored.
    pub async fn delete_finished_uploads(
        &self,
        before: DateTime<Utc>,
        end: HostingEnd,
    ) -> Result<u64, Error> {
        let of_upload = Expr::col((message_row::Entity, message_row::Column::Id))
            .equals((Entity, Column::Message));
        let existing = message_row::Entity::find()
            .select_only()
            .column(message_row::Column::Id)
            .filter(of_upload.clone());
        let waiting = existing
            .clone()
            .filter(message_row::Column::Origin.ne(Origin::DryRun))
            .filter(message_row::Column::Queue.is_in([QueueState::Queued, QueueState::Sending]));
        let hosted = existing.clone().filter(is_hosted(end));
        let is_unneeded = Condition::any()
            .add(Expr::exists(existing.into_query()))
            .add(Column::CreatedAt.lt(instant::to_millis(before)));
        let deleted = Entity::delete_many()
            .filter(is_unneeded)
            .filter(Expr::not_exists(waiting.into_query()))
            .filter(Expr::not_exists(hosted.into_query()))
            .exec(self.pools().writer())
            .await?;
        Ok(deleted.rows_affected)
    }
}

impl Ledger {
    /// Copies the file of a message for another one; false if it was deleted.
    pub async fn copy_upload(&self, from: MessageId, to: MessageId) -> Result<bool, Error> {
        let sql = "INSERT INTO uploads (message, content, created_at) \
             SELECT $1, content, $2 FROM uploads WHERE message = $3";
        let now = instant::to_millis(self.now());
        let values: [Value; 3] = [to.uuid().into(), now.into(), from.uuid().into()];
        let backend = self.transaction().get_database_backend();
        let statement = Statement::from_sql_and_values(backend, sql, values);
        let copied = self.transaction().execute_raw(statement).await?;
        Ok(copied.rows_affected() > 0)
    }
}
