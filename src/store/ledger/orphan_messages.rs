//! Orphans: created by a report, matched with a sent message, or adopted as sent elsewhere.

use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use crate::db::{Error, instant};
use crate::domain::audit_action::ActionKind;
use crate::domain::delivery_state::QueueState;
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::media::MediaKind;
use crate::domain::message::{MatchedBy, Origin};
use crate::domain::provider::ProviderId;
use crate::store::entities::message_row::{Column, Entity};
use crate::store::entities::{action_row, attempt_row, provider_id_row};
use crate::store::ledger::message_ledger::Ledger;
use crate::store::messages::message_lookup::list_ids;
use crate::store::messages::new_message::{NewMessage, set_recipient};
use crate::store::messages::search_conditions::sent_to;

const MATCH_TIME_PREFIX: &str = "matched since ";

/// Which messages a report on a kind of message can be about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KindFilter {
    Any,
    /// Of this kind, also in the header of a template.
    Media(MediaKind),
    Template,
}

/// A message known only from a callback.
#[derive(Clone, Copy, Debug)]
pub struct Orphan<'a> {
    /// Derived from the callback and its part.
    pub id: MessageId,
    pub account: &'a AccountId,
    pub provider: ProviderId,
    /// When the report was received.
    pub at: DateTime<Utc>,
    /// When it is adopted as sent elsewhere; never if absent.
    pub adopt_at: Option<DateTime<Utc>>,
    /// How long after the submission or the last status receipt a missing report is normal.
    pub silence_limit: TimeDelta,
    pub recipient: Option<&'a str>,
    pub kind: Option<MediaKind>,
}

impl Ledger {
    /// Adds an orphan, or updates the one that the same report created before.
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
        let mut row = new.bare(orphan.account, orphan.provider, Origin::Orphan);
        row.adopt_at = orphan.adopt_at.map(instant::to_millis);
        row.kind = orphan.kind;
        set_recipient(&mut row, orphan.recipient);
        self.insert(row);
        Ok(())
    }

    /// Messages to a recipient that were submitted within `period`, before the callback at `seq`
    /// was processed, and had no provider id at the end of `period`.
    ///
    /// Later ids and operator decisions do not count, so that reprocessing the callback finds the
    /// same messages. A message whose match an operator undid before is found: it makes later
    /// reports ambiguous.
    pub async fn list_without_id(
        &mut self,
        account: &AccountId,
        recipient: &str,
        kind: KindFilter,
        period: RangeInclusive<DateTime<Utc>>,
        seq: i64,
    ) -> Result<Vec<MessageId>, Error> {
        self.write_bindings().await?;
        let (from, to) = (
            instant::to_millis(*period.start()),
            instant::to_millis(*period.end()),
        );
        let has_id_by_then = Query::select()
            .expr(Expr::value(1))
            .from(provider_id_row::Entity)
            .and_where(
                Expr::col((provider_id_row::Entity, provider_id_row::Column::Message))
                    .equals((Entity, Column::Id)),
            )
            .and_where(provider_id_row::Column::LearnedAt.lte(to))
            .to_owned();
        // Times are not enough: a submission may begin in the millisecond in which the callback
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
        let candidates = Entity::find()
            .filter(Column::Account.eq(account))
            .filter(sent_to(recipient))
            .filter(Column::Origin.eq(Origin::Api))
            .filter(Expr::exists(has_id_by_then).not())
            .filter(Expr::exists(submitted_since).not())
            .filter(Column::SubmissionStartedAt.between(from, to))
            .order_by_asc(Column::Id)
            // Two already make a report ambiguous.
            .limit(10);
        let ids = list_ids(self.transaction(), candidates).await?;
        if ids.is_empty() {
            return Ok(ids);
        }
        let matched = self.list_matched_at(to, &ids).await?;
        self.load(&ids).await?;
        let fits = |id: &MessageId| {
            self.row(*id).is_some_and(|row| {
                let same_kind = match kind {
                    KindFilter::Any => true,
                    KindFilter::Media(kind) => row.kind == Some(kind),
                    KindFilter::Template => row.template_name.is_some(),
                };
                row.queue != QueueState::Queued && same_kind && !matched.contains(&row.id)
            })
        };
        Ok(ids.into_iter().filter(fits).collect())
    }

    /// Which of these messages had a match at that time (ms) that an operator has undone since.
    async fn list_matched_at(&self, at: i64, ids: &[MessageId]) -> Result<HashSet<Uuid>, Error> {
        let undone = action_row::Entity::find()
            .filter(action_row::Column::Message.is_in(ids.iter().map(|id| id.uuid())))
            .filter(action_row::Column::Kind.eq(ActionKind::Unmatch))
            .filter(action_row::Column::HappenedAt.gt(at))
            .all(self.transaction())
            .await?;
        Ok(undone
            .into_iter()
            .filter(|action| {
                let since = action.detail.as_deref().and_then(parse_match_time);
                since.is_none_or(|since| instant::to_millis(since) <= at)
            })
            .filter_map(|action| action.message)
            .collect())
    }

    /// Whether an operator undid a match of this message; it is never matched by recipient again.
    pub async fn was_unmatched(&self, id: MessageId) -> Result<bool, Error> {
        let undone = action_row::Entity::find()
            .filter(action_row::Column::Message.eq(id.uuid()))
            .filter(action_row::Column::Kind.eq(ActionKind::Unmatch))
            .count(self.transaction())
            .await?;
        Ok(undone > 0)
    }

    /// Records how a loaded message was matched with a report without a known id. An operator's
    /// decision stays.
    pub fn set_matched_by(&mut self, id: MessageId, matched_by: MatchedBy) -> Result<(), Error> {
        self.edit(id, |row| {
            if row.matched_by != Some(MatchedBy::Operator) {
                row.matched_by = Some(matched_by);
            }
        })
    }

    /// Orphans that this transaction has created so far, by account.
    pub fn count_new_orphans(&self) -> BTreeMap<AccountId, u64> {
        let mut counts = BTreeMap::new();
        for entry in self.entries.values() {
            if entry.before.is_none() && entry.row.origin == Origin::Orphan {
                *counts.entry(entry.row.account.clone()).or_default() += 1;
            }
        }
        counts
    }
}

/// The detail of an unmatch in the audit log.
pub fn format_match_time(since: DateTime<Utc>) -> String {
    let since = since.to_rfc3339_opts(SecondsFormat::Millis, true);
    format!("{MATCH_TIME_PREFIX}{since}")
}

/// Earlier versions stored no time.
fn parse_match_time(detail: &str) -> Option<DateTime<Utc>> {
    detail.strip_prefix(MATCH_TIME_PREFIX)?.parse().ok()
}
