//! Messages known only from callbacks: orphan of, matched, adopted.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    Select,
};
use uuid::Uuid;

use crate::db::{Error, instant};
use crate::domain::audit_action::Verb;
use crate::domain::delivery_state::{DeliveryState, QueueState};
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::media::MediaKind;
use crate::domain::message::{MatchedBy, Origin};
use crate::domain::provider::ProviderId;
use crate::store::Store;
use crate::store::entities::message_row::{Column, Entity};
use crate::store::entities::{action_row, attempt_row, provider_id_row};
use crate::store::ledger::message_ledger::Ledger;
use crate::store::messages::new_message::{NewMessage, set_recipient};
use crate::store::messages::sent_to;

/// How long a message without id keeps its recipient's unmatched reports from being adopted.
const ADOPTION_HOLD: TimeDelta = TimeDelta::hours(24);

const MATCHED_SINCE: &str = "matched since ";

/// A message that a report was the first to tell of.
#[derive(Clone, Copy, Debug)]
pub struct Orphan<'a> {
    /// Derived from the callback and its part.
    pub id: MessageId,
    /// Its account.
    pub account: &'a AccountId,
    /// That account's provider.
    pub provider: ProviderId,
    /// When the report was received.
    pub at: DateTime<Utc>,
    /// When it becomes a message of its own; never when absent.
    pub adopt_at: Option<DateTime<Utc>>,
    /// How long silence after hand-over is normal.
    pub silence_limit: TimeDelta,
    /// The customer, where named.
    pub recipient: Option<&'a str>,
    /// Image or video, where named.
    pub kind: Option<MediaKind>,
}

impl Ledger {
    /// Adds a provisional message, or takes the one that the same report made before.
    pub async fn upsert_orphan(&mut self, orphan: Orphan<'_>) -> Result<(), Error> {
        self.load(&[orphan.id]).await?;
        if self.row(orphan.id).is_some() {
            if self.is_registered(orphan.id).await? {
                return Ok(());
            }
            return self.edit(orphan.id, |row| {
                row.kind = orphan.kind;
                set_recipient(row, orphan.recipient);
            });
        }
        let new = NewMessage {
            id: orphan.id,
            created_at: orphan.at,
            queue: QueueState::Done,
            send_before: None,
            silence_limit: orphan.silence_limit,
        };
        let mut model = new.bare(orphan.account, orphan.provider, Origin::Orphan);
        model.adopt_at = orphan.adopt_at.map(instant::write);
        model.kind = orphan.kind;
        set_recipient(&mut model, orphan.recipient);
        self.insert(model);
        Ok(())
    }

    /// Messages to a recipient that were submitted within `period`, before the callback at `seq`
    /// was processed, and had no provider id at the end of `period`; of this kind, where one is
    /// named.
    ///
    /// A message whose matches an operator undid counts again for later callbacks: it makes a
    /// report ambiguous. Anything that became known after the callback was first processed is
    /// ignored, so that processing it again has the same result.
    pub async fn list_without_id(
        &mut self,
        account: &AccountId,
        recipient: &str,
        kind: Option<MediaKind>,
        period: RangeInclusive<DateTime<Utc>>,
        seq: i64,
    ) -> Result<Vec<MessageId>, Error> {
        self.write_bindings().await?;
        let (from, to) = (
            instant::write(*period.start()),
            instant::write(*period.end()),
        );
        let named_by_then = Query::select()
            .expr(Expr::value(1))
            .from(provider_id_row::Entity)
            .and_where(
                Expr::col((provider_id_row::Entity, provider_id_row::Column::Message))
                    .equals((Entity, Column::Id)),
            )
            .and_where(provider_id_row::Column::LearnedAt.lte(to))
            .to_owned();
        // Times alone cannot tell: a submission may begin in the millisecond in which the callback
        // arrived, or be committed after it was processed.
        let submitted_since = Query::select()
            .expr(Expr::value(1))
            .from(attempt_row::Entity)
            .and_where(
                Expr::col((attempt_row::Entity, attempt_row::Column::Message))
                    .equals((Entity, Column::Id)),
            )
            .and_where(attempt_row::Column::JournalPosition.gte(seq))
            .to_owned();
        let ids: Vec<Uuid> = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::Account.eq(account))
            .filter(sent_to(recipient))
            .filter(Column::Origin.eq(Origin::Api))
            .filter(Expr::exists(named_by_then).not())
            .filter(Expr::exists(submitted_since).not())
            .filter(Column::HandedOverAt.between(from, to))
            .order_by_asc(Column::Id)
            .limit(10)
            .into_tuple()
            .all(self.transaction())
            .await?;
        let matched = self.list_matched_at(to, &ids).await?;
        let ids: Vec<MessageId> = ids.into_iter().map(MessageId::from).collect();
        self.load(&ids).await?;
        let fits = |id: &MessageId| {
            self.row(*id).is_some_and(|row| {
                let same_kind = kind.is_none_or(|kind| row.kind == Some(kind));
                row.queue != QueueState::Queued && same_kind && !matched.contains(&row.id)
            })
        };
        Ok(ids.into_iter().filter(fits).collect())
    }

    /// Which of these messages had a match at that time (ms) that an operator has undone since.
    async fn list_matched_at(&self, at: i64, ids: &[Uuid]) -> Result<HashSet<Uuid>, Error> {
        let undone = action_row::Entity::find()
            .filter(action_row::Column::Message.is_in(ids.iter().copied()))
            .filter(action_row::Column::Verb.eq(Verb::Unmatch))
            .filter(action_row::Column::HappenedAt.gt(at))
            .all(self.transaction())
            .await?;
        Ok(undone
            .into_iter()
            .filter(|action| {
                let since = action.detail.as_deref().and_then(parse_match_time);
                since.is_none_or(|since| instant::write(since) <= at)
            })
            .filter_map(|action| action.message)
            .collect())
    }

    /// Whether an operator undid matches of a message: it is never matched by its recipient again.
    pub async fn was_unmatched(&self, id: MessageId) -> Result<bool, Error> {
        let undone = action_row::Entity::find()
            .filter(action_row::Column::Message.eq(id.uuid()))
            .filter(action_row::Column::Verb.eq(Verb::Unmatch))
            .count(self.transaction())
            .await?;
        Ok(undone > 0)
    }

    /// Marks how a loaded message was found by a report without a known id.
    pub fn set_matched_by(&mut self, id: MessageId, matched_by: MatchedBy) -> Result<(), Error> {
        self.edit(id, |row| {
            // A person's decision stays, whatever fits besides.
            if row.matched_by != Some(MatchedBy::Operator) {
                row.matched_by = Some(matched_by);
            }
        })
    }

    /// The message itself, or the one it was merged into by this ledger.
    pub fn current(&self, id: MessageId) -> MessageId {
        let mut current = id.uuid();
        for (gone, survivor) in &self.merges {
            if *gone == current {
                current = *survivor;
            }
        }
        current.into()
    }

    /// Makes a loaded provisional message one "sent elsewhere"; put off while a message without id went to the same recipient.
    pub async fn adopt(&mut self, id: MessageId) -> Result<(), Error> {
        let Some(model) = self.row(id).filter(|row| row.origin == Origin::Orphan) else {
            return Ok(());
        };
        let account = model.account.clone();
        if let Some(recipient) = model.recipient.clone() {
            let period = self.now() - ADOPTION_HOLD..=self.now();
            if !self
                .list_without_id(&account, &recipient, None, period, i64::MAX)
                .await?
                .is_empty()
            {
                let later = instant::write(self.now() + TimeDelta::minutes(10));
                return self.edit(id, |row| row.adopt_at = Some(later));
            }
        }
        self.edit(id, |row| {
            row.origin = Origin::Observed;
            row.adopt_at = None;
        })
    }
}

impl Store {
    /// Provisional messages whose time has come.
    pub async fn list_adoptable(
        &self,
        now: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<MessageId>, Error> {
        let ids: Vec<Uuid> = adoptable(now)
            .select_only()
            .column(Column::Id)
            .limit(limit)
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        Ok(ids.into_iter().map(MessageId::from).collect())
    }
}

/// The detail of an unmatch in the audit log.
pub fn format_match_time(since: DateTime<Utc>) -> String {
    let since = since.to_rfc3339_opts(SecondsFormat::Millis, true);
    format!("{MATCHED_SINCE}{since}")
}

/// Earlier versions stored no time.
fn parse_match_time(detail: &str) -> Option<DateTime<Utc>> {
    detail.strip_prefix(MATCHED_SINCE)?.parse().ok()
}

/// Provisional messages whose time has come, the longest waiting first. One of which no report says how far it got is none: it has no state that would be true.
pub(crate) fn adoptable(now: DateTime<Utc>) -> Select<Entity> {
    Entity::find()
        .filter(Column::Origin.eq(Origin::Orphan))
        .filter(Column::State.ne(DeliveryState::Uncertain))
        .filter(Column::AdoptAt.lte(instant::write(now)))
        .order_by_asc(Column::AdoptAt)
}
