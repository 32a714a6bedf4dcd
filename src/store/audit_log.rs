//! The audit log: the actions of operators.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect, Select,
};

use crate::db::{Error, instant};
use crate::domain::audit_action::{Action, ActionKind};
use crate::domain::ids::{AccountId, ActionId, MessageId};
use crate::store::Store;
use crate::store::entities::action_row::{Column, Entity, Model};
use crate::store::ledger::message_ledger::Ledger;

impl Store {
    /// Records an action that changes no message; otherwise see [`Ledger::record_action`].
    pub async fn record_action(&self, action: &Action) -> Result<(), Error> {
        insert_action(self.pools().writer(), action).await
    }

    /// Whether any user has ever signed in to the dashboard.
    pub async fn has_signed_in(&self) -> Result<bool, Error> {
        let action = Entity::find()
            .filter(Column::Kind.eq(ActionKind::SignIn))
            .one(self.pools().reader())
            .await?;
        Ok(action.is_some())
    }

    /// The actions on a message, oldest first.
    pub async fn list_actions_of(&self, message: MessageId) -> Result<Vec<Action>, Error> {
        let of_message = Entity::find().filter(Column::Message.eq(message.uuid()));
        list(self.pools().reader(), oldest_first(of_message)).await
    }

    /// Every action of these kinds, oldest first.
    pub async fn list_actions_of_kinds(&self, kinds: &[ActionKind]) -> Result<Vec<Action>, Error> {
        list(self.pools().reader(), of_kinds(kinds)).await
    }

    /// Newest first.
    pub async fn list_actions(&self, limit: u64) -> Result<Vec<Action>, Error> {
        self.find_actions(&ActionFilter::default(), None, limit)
            .await
    }

    /// Matching actions older than `after`, newest first.
    pub async fn find_actions(
        &self,
        filter: &ActionFilter,
        after: Option<ActionCursor>,
        limit: u64,
    ) -> Result<Vec<Action>, Error> {
        let newest_first = matching(filter, after)
            .order_by_desc(Column::HappenedAt)
            .order_by_desc(Column::Id);
        list(self.pools().reader(), newest_first.limit(limit)).await
    }
}

/// All given conditions must hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ActionFilter {
    pub actor: Option<String>,
    pub kind: Option<ActionKind>,
    pub account: Option<AccountId>,
    pub message: Option<MessageId>,
    /// Inclusive.
    pub from: Option<DateTime<Utc>>,
    /// Exclusive.
    pub to: Option<DateTime<Utc>>,
}

/// Where a page of actions ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ActionCursor {
    pub happened_at: DateTime<Utc>,
    pub id: ActionId,
}

fn matching(filter: &ActionFilter, after: Option<ActionCursor>) -> Select<Entity> {
    let millis = instant::to_millis;
    let conditions = [
        (filter.actor.as_ref()).map(|it| Column::Actor.eq(it.as_str())),
        filter.kind.map(|it| Column::Kind.eq(it)),
        (filter.account.as_ref()).map(|it| Column::Account.eq(it)),
        filter.message.map(|it| Column::Message.eq(it.uuid())),
        filter.from.map(|at| Column::HappenedAt.gte(millis(at))),
        filter.to.map(|at| Column::HappenedAt.lt(millis(at))),
        after.map(|after| {
            let sort_key = Expr::tuple([Expr::col(Column::HappenedAt), Expr::col(Column::Id)]);
            sort_key.lt(Expr::tuple([
                Expr::value(millis(after.happened_at)),
                Expr::value(after.id.uuid()),
            ]))
        }),
    ];
    let conditions = conditions.into_iter().flatten();
    Entity::find().filter(conditions.fold(Condition::all(), Condition::add))
}

fn of_kinds(kinds: &[ActionKind]) -> Select<Entity> {
    oldest_first(Entity::find().filter(Column::Kind.is_in(kinds.iter().copied())))
}

fn oldest_first(query: Select<Entity>) -> Select<Entity> {
    query
        .order_by_asc(Column::HappenedAt)
        .order_by_asc(Column::Id)
}

async fn list(
    connection: &impl ConnectionTrait,
    query: Select<Entity>,
) -> Result<Vec<Action>, Error> {
    let rows = query.all(connection).await?;
    rows.into_iter().map(Action::try_from).collect()
}

impl Ledger {
    /// Every action of these kinds, oldest first, including those that this transaction recorded.
    /// The writer's lock excludes concurrent actions.
    pub async fn list_actions_of_kinds(&self, kinds: &[ActionKind]) -> Result<Vec<Action>, Error> {
        list(self.transaction(), of_kinds(kinds)).await
    }

    /// Records an action in the transaction that carries it out.
    pub async fn record_action(&self, action: &Action) -> Result<(), Error> {
        insert_action(self.transaction(), action).await
    }
}

pub(super) async fn insert_action(
    connection: &impl ConnectionTrait,
    action: &Action,
) -> Result<(), Error> {
    let row = Model {
        id: action.id.uuid(),
        message: action.message.map(MessageId::uuid),
        account: action.account.clone(),
        actor: action.actor.clone(),
        kind: action.kind,
        detail: action.detail.clone(),
        address: action.address.clone(),
        happened_at: instant::to_millis(action.happened_at),
    };
    Entity::insert(row.into_active_model())
        .exec_without_returning(connection)
        .await?;
    Ok(())
}

impl TryFrom<Model> for Action {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        Ok(Self {
            id: row.id.into(),
            kind: row.kind,
            message: row.message.map(Into::into),
            account: row.account,
            actor: row.actor,
            detail: row.detail,
            address: row.address,
            happened_at: instant::from_millis("actions", "happened_at", row.happened_at)?,
        })
    }
}
