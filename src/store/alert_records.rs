//! Incidents of alerts and their notifications.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Expr, Func};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use crate::db::{Error, instant};
use crate::domain::alert::AlertKind;
use crate::domain::ids::AccountId;
use crate::domain::message::Origin;
use crate::store::Store;
use crate::store::entities::alert_incident_row::Column as Incidents;
use crate::store::entities::alert_notification_row::Column as Notifications;
use crate::store::entities::column_types::OrEmpty;
use crate::store::entities::{alert_incident_row, alert_notification_row, message_row};

/// Incidents are deleted this many days after they closed, notifications after their creation.
const KEPT_DAYS: i64 = 30;
const NO_EARLIER_PENDING: &str = "NOT EXISTS (SELECT 1 FROM alert_notifications AS earlier \
     WHERE earlier.incident = alert_notifications.incident AND earlier.next_try_at IS NOT NULL \
     AND (earlier.created_at < alert_notifications.created_at \
          OR earlier.created_at = alert_notifications.created_at \
          AND earlier.id < alert_notifications.id))";

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Incident {
    pub id: Uuid,
    /// The key of its rule.
    pub rule: String,
    pub kind: AlertKind,
    pub account: Option<AccountId>,
    pub summary: String,
    pub opened_at: DateTime<Utc>,
    pub closed_at: Option<DateTime<Utc>>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notification {
    pub id: Uuid,
    /// The key of its rule.
    pub rule: String,
    /// Absent for rows of earlier versions.
    pub incident: Option<Uuid>,
    pub body: String,
    /// How often delivery was tried.
    pub tries: i64,
}

/// The changes of one evaluation, which are stored together.
#[derive(Clone, Debug, Default)]
pub struct IncidentChanges {
    pub opened: Vec<Incident>,
    pub closed: Vec<Uuid>,
    pub notifications: Vec<Notification>,
}

/// How a delivery ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotificationResult {
    Delivered,
    Failed {
        error: String,
        /// `None`: it is not tried again.
        next_try_at: Option<DateTime<Utc>>,
    },
    /// It was not tried, or the try was interrupted.
    Postponed {
        due_at: DateTime<Utc>,
    },
}

impl Store {
    /// Open incidents, the oldest first.
    pub async fn list_open_incidents(&self) -> Result<Vec<Incident>, Error> {
        use alert_incident_row::Column;
        let rows = alert_incident_row::Entity::find()
            .filter(Column::ClosedAt.is_null())
            .order_by_asc(Column::OpenedAt)
            .order_by_asc(Column::Id)
            .all(self.pools().reader())
            .await?;
        rows.into_iter().map(Incident::try_from).collect()
    }

    /// Opens and closes incidents, stores their notifications, and removes old ones.
    pub async fn change_incidents(
        &self,
        changes: IncidentChanges,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let at = instant::to_millis(now);
        let old = instant::to_millis(now - TimeDelta::days(KEPT_DAYS));
        self.pools()
            .within(async |transaction| {
                for incident in changes.opened {
                    let row = alert_incident_row::Model::from(incident);
                    alert_incident_row::Entity::insert(row.into_active_model())
                        .exec_without_returning(transaction)
                        .await?;
                }
                alert_incident_row::Entity::update_many()
                    .col_expr(Incidents::ClosedAt, Expr::value(at))
                    .filter(Incidents::Id.is_in(changes.closed))
                    .exec(transaction)
                    .await?;
                alert_incident_row::Entity::delete_many()
                    .filter(Incidents::ClosedAt.lt(old))
                    .exec(transaction)
                    .await?;
                for notification in changes.notifications {
                    let row = alert_notification_row::Model {
                        id: notification.id,
                        rule: notification.rule,
                        body: notification.body,
                        created_at: at,
                        tries: notification.tries,
                        next_try_at: Some(at),
                        delivered_at: None,
                        last_error: None,
                        incident: notification.incident,
                    };
                    alert_notification_row::Entity::insert(row.into_active_model())
                        .exec_without_returning(transaction)
                        .await?;
                }
                alert_notification_row::Entity::delete_many()
                    .filter(Notifications::CreatedAt.lt(old))
                    .exec(transaction)
                    .await?;
                Ok(())
            })
            .await
    }

    /// Claims due notifications, the longest due first, unless an earlier one of the same incident
    /// is still to be delivered. No other process claims them before `until`.
    pub async fn claim_due_notifications(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<Notification>, Error> {
        use alert_notification_row::{Column, Entity};
        let due = Entity::find()
            .filter(Column::NextTryAt.lte(instant::to_millis(now)))
            .filter(Expr::cust(NO_EARLIER_PENDING))
            .order_by_asc(Column::NextTryAt)
            .limit(limit);
        // Usually none is due, and then there is no need to wait for the writer.
        if due.clone().one(self.pools().reader()).await?.is_none() {
            return Ok(Vec::new());
        }
        let rows = self
            .pools()
            .within(async |transaction| {
                let mut taken = Vec::new();
                for row in due.all(transaction).await? {
                    let changed = Entity::update_many()
                        .col_expr(Column::NextTryAt, Expr::value(instant::to_millis(until)))
                        .filter(Column::Id.eq(row.id))
                        .filter(Column::NextTryAt.eq(row.next_try_at))
                        .exec(transaction)
                        .await?;
                    if changed.rows_affected == 1 {
                        taken.push(row);
                    }
                }
                Ok(taken)
            })
            .await?;
        let notification = |row: alert_notification_row::Model| Notification {
            id: row.id,
            rule: row.rule,
            incident: row.incident,
            body: row.body,
            tries: row.tries,
        };
        Ok(rows.into_iter().map(notification).collect())
    }

    pub async fn finish_notification(
        &self,
        notification: &Notification,
        result: &NotificationResult,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let mut row = alert_notification_row::ActiveModel {
            id: ActiveValue::Unchanged(notification.id),
            ..Default::default()
        };
        if !matches!(result, NotificationResult::Postponed { .. }) {
            row.tries = ActiveValue::Set(notification.tries + 1);
        }
        match result {
            NotificationResult::Delivered => {
                row.next_try_at = ActiveValue::Set(None);
                row.delivered_at = ActiveValue::Set(Some(instant::to_millis(now)));
                row.last_error = ActiveValue::Set(None);
            }
            NotificationResult::Failed { error, next_try_at } => {
                row.next_try_at = ActiveValue::Set(next_try_at.map(instant::to_millis));
                row.last_error = ActiveValue::Set(Some(error.clone()));
            }
            NotificationResult::Postponed { due_at } => {
                row.next_try_at = ActiveValue::Set(Some(instant::to_millis(*due_at)));
            }
        }
        self.pools()
            .within(async |transaction| {
                row.update(transaction).await?;
                Ok(())
            })
            .await
    }

    /// Overdue messages by account.
    pub async fn count_overdue_by_account(
        &self,
        now: DateTime<Utc>,
    ) -> Result<Vec<(AccountId, i64)>, Error> {
        use message_row::Column;
        Ok(message_row::Entity::find()
            .select_only()
            .column(Column::Account)
            .column_as(
                Expr::expr(Func::count(Expr::col(Column::Id))).cast_as("bigint"),
                "messages",
            )
            .filter(Column::Origin.ne(Origin::Orphan))
            .filter(Column::ResentAs.is_null())
            .filter(Column::DueAt.lte(instant::to_millis(now)))
            .group_by(Column::Account)
            .into_tuple()
            .all(self.pools().reader())
            .await?)
    }
}

impl From<Incident> for alert_incident_row::Model {
    fn from(incident: Incident) -> Self {
        Self {
            id: incident.id,
            rule: incident.rule,
            kind: incident.kind,
            account: OrEmpty(incident.account),
            summary: incident.summary,
            opened_at: instant::to_millis(incident.opened_at),
            closed_at: incident.closed_at.map(instant::to_millis),
        }
    }
}

impl TryFrom<alert_incident_row::Model> for Incident {
    type Error = Error;

    fn try_from(row: alert_incident_row::Model) -> Result<Self, Error> {
        Ok(Self {
            opened_at: instant::from_millis("alert_incidents", "opened_at", row.opened_at)?,
            closed_at: instant::from_optional_millis(
                "alert_incidents",
                "closed_at",
                row.closed_at,
            )?,
            id: row.id,
            rule: row.rule,
            kind: row.kind,
            account: row.account.0,
            summary: row.summary,
        })
    }
}
