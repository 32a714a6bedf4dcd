//! Lists orphans, with the messages that each may belong to.

use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};
use uuid::Uuid;

use crate::db::statements::IDS_PER_QUERY;
use crate::db::{Error, instant};
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::message::{MATCH_WINDOW, Message, Origin};
use crate::domain::phone;
use crate::store::Store;
use crate::store::dismissals::message_is_dismissed;
use crate::store::entities::message_row::{Column, Entity};
use crate::store::entities::provider_id_row;
use crate::store::messages::{Cursor, Page, newest_first, older_than, sent_to};

/// Maximum time between the submission of a suggested message and the orphan's first report.
const SUGGESTION_WINDOW: TimeDelta = TimeDelta::hours(24);
/// Suggestions per orphan.
const SUGGESTIONS: usize = 5;
/// Latest messages examined per page. More within a day to the same few customers is not a
/// realistic load.
const CANDIDATES: u64 = 2_000;

/// Which orphans to list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OrphanFilter {
    pub account: Option<AccountId>,
    /// Any id of the orphan.
    pub provider_id: Option<String>,
    /// As in the callback.
    pub recipient: Option<String>,
    /// Dismissed by an operator, or not.
    pub put_aside: Option<bool>,
}

/// A message without a provider id that may be the one an orphan reports.
struct Candidate {
    id: MessageId,
    account: AccountId,
    recipient: String,
    handed_over_at: i64,
}

impl Candidate {
    /// Whether it was submitted to the orphan's recipient around the orphan's first report.
    fn fits(&self, orphan: &Message) -> bool {
        let first_report = orphan.created_at;
        self.account == orphan.account
            && orphan
                .recipient
                .as_deref()
                .is_some_and(|recipient| phone::is_same_recipient(recipient, &self.recipient))
            && self.handed_over_at >= instant::write(first_report - SUGGESTION_WINDOW)
            && self.handed_over_at <= instant::write(first_report + MATCH_WINDOW)
    }
}

impl Store {
    /// Newest first.
    pub async fn list_orphans(
        &self,
        filter: &OrphanFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, Error> {
        let wanted = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let rows = orphans(filter, after)
            .limit(wanted)
            .all(self.pools().reader())
            .await?;
        Page::of(rows, limit)
    }

    /// For each orphan the candidates that fit, latest first. Orphans without any are absent.
    pub async fn list_suggestions(
        &self,
        orphans: &[Message],
    ) -> Result<HashMap<MessageId, Vec<MessageId>>, Error> {
        let recipients: HashSet<String> = orphans
            .iter()
            .filter_map(|orphan| orphan.recipient.as_deref())
            .flat_map(phone::spellings)
            .collect();
        let mut candidates = Vec::new();
        for chunk in Vec::from_iter(recipients).chunks(IDS_PER_QUERY) {
            candidates.extend(self.list_candidates(orphans, chunk).await?);
        }
        let mut suggestions = HashMap::new();
        for orphan in orphans {
            let fitting: Vec<MessageId> = candidates
                .iter()
                .filter(|candidate| candidate.fits(orphan))
                .map(|candidate| candidate.id)
                .take(SUGGESTIONS)
                .collect();
            if !fitting.is_empty() {
                suggestions.insert(orphan.id, fitting);
            }
        }
        Ok(suggestions)
    }

    /// Messages without a provider id to any of these recipients, around the first reports of all
    /// the orphans; the latest [`CANDIDATES`].
    async fn list_candidates(
        &self,
        orphans: &[Message],
        recipients: &[String],
    ) -> Result<Vec<Candidate>, Error> {
        let first_reports = || orphans.iter().map(|orphan| orphan.created_at);
        let Some((first, last)) = first_reports().min().zip(first_reports().max()) else {
            return Ok(Vec::new());
        };
        let rows: Vec<(Uuid, AccountId, String, i64)> = Entity::find()
            .select_only()
            .columns([
                Column::Id,
                Column::Account,
                Column::Recipient,
                Column::HandedOverAt,
            ])
            .filter(Column::Recipient.is_in(recipients))
            .filter(Column::Origin.eq(Origin::Api))
            .filter(Column::ProviderId.is_null())
            .filter(Column::HandedOverAt.between(
                instant::write(first - SUGGESTION_WINDOW),
                instant::write(last + MATCH_WINDOW),
            ))
            .order_by_desc(Column::HandedOverAt)
            .limit(CANDIDATES)
            .into_tuple()
            .all(self.pools().reader())
            .await?;
        Ok(rows
            .into_iter()
            .map(|(id, account, recipient, handed_over_at)| Candidate {
                id: id.into(),
                account,
                recipient,
                handed_over_at,
            })
            .collect())
    }
}

/// Matching orphans, newest first, older than `after`.
pub(crate) fn orphans(filter: &OrphanFilter, after: Option<Cursor>) -> Select<Entity> {
    let holding = filter.provider_id.as_ref().map(|id| {
        let holders = sea_orm::sea_query::Query::select()
            .column(provider_id_row::Column::Message)
            .from(provider_id_row::Entity)
            .and_where(provider_id_row::Column::ProviderId.eq(id.as_str()))
            .to_owned();
        Column::Id.in_subquery(holders)
    });
    let account = filter.account.as_ref();
    let recipient = filter.recipient.as_ref();
    let fits = [
        account.map(|account| Column::Account.eq(account)),
        recipient.map(|recipient| sent_to(recipient)),
        holding,
        filter.put_aside.map(|aside| {
            if aside {
                message_is_dismissed()
            } else {
                message_is_dismissed().not()
            }
        }),
    ];
    let query = Entity::find()
        .filter(Column::Origin.eq(Origin::Orphan))
        .filter(
            fits.into_iter()
                .flatten()
                .fold(Condition::all(), Condition::add),
        )
        .filter(older_than(Column::CreatedAt.into_expr(), after));
    newest_first(query)
}
