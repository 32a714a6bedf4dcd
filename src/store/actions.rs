//! What operators did, recorded together with its effect.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};

use crate::domain::ids::{AccountId, ActionId, MessageId};
use crate::store::entities::actions::{Column, Entity, Model};
use crate::store::ledger::Ledger;
use crate::store::{Error, Store, instant};

/// One decision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Action {
    /// Its id; a receipt that comes from it names it as source.
    pub id: ActionId,
    /// The message it is about.
    pub message: Option<MessageId>,
    /// The account it is about.
    pub account: Option<AccountId>,
    /// Who: a token's name, or `dashboard`.
    pub actor: String,
    /// What: `cancel`, `resend`, `mark-failed`, `resume` …
    pub verb: String,
    /// In words, without personal data.
    pub detail: Option<String>,
    /// When, by our clock.
    pub happened_at: DateTime<Utc>,
}

impl Ledger {
    /// Records a decision in the transaction of its effect.
    pub async fn record_action(&mut self, action: &Action) -> Result<(), Error> {
        Entity::insert(row(action).into_active_model())
            .exec_without_returning(self.transaction())
            .await?;
        Ok(())
    }
}

impl Store {
    /// Records a decision that changes no message.
    pub async fn record_action(&self, action: &Action) -> Result<(), Error> {
        Entity::insert(row(action).into_active_model())
            .exec_without_returning(self.pools().writer())
            .await?;
        Ok(())
    }

    /// Decisions about a message, oldest first.
    pub async fn list_actions_on(&self, message: MessageId) -> Result<Vec<Action>, Error> {
        let rows = Entity::find()
            .filter(Column::Message.eq(message.uuid()))
            .order_by_asc(Column::HappenedAt)
            .all(self.pools().reader())
            .await?;
        rows.into_iter().map(Action::try_from).collect()
    }

    /// The newest decisions.
    pub async fn list_actions(&self, limit: u64) -> Result<Vec<Action>, Error> {
        let rows = Entity::find()
            .order_by_desc(Column::HappenedAt)
            .limit(limit)
            .all(self.pools().reader())
            .await?;
        rows.into_iter().map(Action::try_from).collect()
    }
}

fn row(action: &Action) -> Model {
    Model {
        id: action.id.uuid(),
        message: action.message.map(MessageId::uuid),
        account: action.account.as_ref().map(ToString::to_string),
        actor: action.actor.clone(),
        verb: action.verb.clone(),
        detail: action.detail.clone(),
        happened_at: instant::write(action.happened_at),
    }
}

impl TryFrom<Model> for Action {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        let account = row.account.as_deref().map(str::parse).transpose();
        Ok(Self {
            id: row.id.into(),
            message: row.message.map(Into::into),
            account: account.map_err(|_| Error::inconsistent("actions", "account", row.id))?,
            actor: row.actor,
            verb: row.verb,
            detail: row.detail,
            happened_at: instant::read("actions", "happened_at", row.happened_at)?,
        })
    }
}
