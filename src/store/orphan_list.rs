//! Lists orphans, with the messages that each may belong to.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{
    ColumnTrait, DerivePartialModel, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Select,
};
use uuid::Uuid;

use crate::db::statements::IDS_PER_QUERY;
use crate::db::{Error, instant};
use crate::domain::account_limit::AccountLimit;
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::message::{MATCH_WINDOW, Message, Origin};
use crate::domain::recipient_spelling;
use crate::store::Store;
use crate::store::dismissals::dismissal_filter;
use crate::store::entities::message_row::{Column, Entity};
use crate::store::messages::keyset_page::Page;
use crate::store::messages::list_query::{newest_first, older_than};
use crate::store::messages::message_filter::Cursor;
use crate::store::messages::search_conditions::{has_provider_id, sent_to};

/// Maximum time between the submission of a suggested message and the orphan's first report.
const SUGGESTION_WINDOW: TimeDelta = TimeDelta::hours(24);
const SUGGESTIONS_PER_ORPHAN: usize = 5;
/// The latest messages that are examined per page. More within a day to the same few customers are
/// not realistic.
const MAX_CANDIDATES: u64 = 2_000;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OrphanFilter {
    pub account: Option<AccountId>,
    /// The accounts that the caller may access.
    pub limit: AccountLimit,
    /// Any of these; empty for all.
    pub ids: Vec<MessageId>,
    /// Any id of the orphan.
    pub provider_id: Option<String>,
    /// The recipient as the callback names it.
    pub recipient: Option<String>,
    /// By the first report, inclusive.
    pub received_after: Option<DateTime<Utc>>,
    /// Exclusive.
    pub received_before: Option<DateTime<Utc>>,
    /// Dismissed by an operator, or not.
    pub dismissed: Option<bool>,
}

impl OrphanFilter {
    /// Leaves out the accounts that a caller may not access.
    pub fn limit_to(&mut self, limit: &AccountLimit) {
        self.account = limit.filter_account(self.account.take());
        self.limit = limit.clone();
    }
}

/// A message without a provider id that may be the one an orphan reports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SuggestedMessage {
    pub id: MessageId,
    /// The caller's reference.
    pub reference: Option<String>,
}

/// A message that may be suggested, as stored.
#[derive(DerivePartialModel)]
#[sea_orm(entity = "Entity")]
struct Candidate {
    id: Uuid,
    account: AccountId,
    recipient: String,
    submission_started_at: i64,
    client_reference: Option<String>,
}

impl Candidate {
    /// Whether it was submitted to the orphan's recipient around the orphan's first report.
    fn fits(&self, orphan: &Message) -> bool {
        let first_report = orphan.created_at;
        self.account == orphan.account
            && orphan.recipient.as_deref().is_some_and(|recipient| {
                recipient_spelling::is_same_recipient(recipient, &self.recipient)
            })
            && self.submission_started_at >= instant::to_millis(first_report - SUGGESTION_WINDOW)
            && self.submission_started_at <= instant::to_millis(first_report + MATCH_WINDOW)
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

    pub async fn count_orphans(&self, filter: &OrphanFilter) -> Result<u64, Error> {
        let orphans = orphans(filter, None);
        Ok(orphans.count(self.pools().reader()).await?)
    }

    /// For each orphan the candidates that fit, latest first. Orphans without any are absent.
    pub async fn list_suggestions(
        &self,
        orphans: &[Message],
    ) -> Result<HashMap<MessageId, Vec<SuggestedMessage>>, Error> {
        let recipients: HashSet<String> = orphans
            .iter()
            .filter_map(|orphan| orphan.recipient.as_deref())
            .flat_map(recipient_spelling::spellings)
            .collect();
        let mut candidates = Vec::new();
        for chunk in Vec::from_iter(recipients).chunks(IDS_PER_QUERY) {
            candidates.extend(self.list_candidates(orphans, chunk).await?);
        }
        let mut suggestions = HashMap::new();
        for orphan in orphans {
            let fitting: Vec<SuggestedMessage> = candidates
                .iter()
                .filter(|candidate| candidate.fits(orphan))
                .map(|candidate| SuggestedMessage {
                    id: candidate.id.into(),
                    reference: candidate.client_reference.clone(),
                })
                .take(SUGGESTIONS_PER_ORPHAN)
                .collect();
            if !fitting.is_empty() {
                suggestions.insert(orphan.id, fitting);
            }
        }
        Ok(suggestions)
    }

    /// Messages without a provider id to any of these recipients, around the first reports of all
    /// the orphans; the latest [`MAX_CANDIDATES`].
    async fn list_candidates(
        &self,
        orphans: &[Message],
        recipients: &[String],
    ) -> Result<Vec<Candidate>, Error> {
        let first_reports = || orphans.iter().map(|orphan| orphan.created_at);
        let Some((first, last)) = first_reports().min().zip(first_reports().max()) else {
            return Ok(Vec::new());
        };
        let candidates = Entity::find()
            .filter(Column::Recipient.is_in(recipients))
            .filter(Column::Origin.eq(Origin::Api))
            .filter(Column::ProviderId.is_null())
            .filter(Column::SubmissionStartedAt.between(
                instant::to_millis(first - SUGGESTION_WINDOW),
                instant::to_millis(last + MATCH_WINDOW),
            ))
            .order_by_desc(Column::SubmissionStartedAt)
            .limit(MAX_CANDIDATES)
            .into_partial_model()
            .all(self.pools().reader())
            .await?;
        Ok(candidates)
    }
}

/// Matching orphans, newest first, older than `after`.
fn orphans(filter: &OrphanFilter, after: Option<Cursor>) -> Select<Entity> {
    let named = (!filter.ids.is_empty()).then_some(&filter.ids);
    let orphans = Entity::find()
        .filter(Column::Origin.eq(Origin::Orphan))
        .apply_if(named, |query, ids| {
            query.filter(Column::Id.is_in(ids.iter().map(|id| id.uuid())))
        })
        .apply_if(filter.account.as_ref(), |query, account| {
            query.filter(Column::Account.eq(account))
        })
        .apply_if(filter.limit.accounts(), |query, accounts| {
            query.filter(Column::Account.is_in(accounts))
        })
        .apply_if(filter.recipient.as_ref(), |query, recipient| {
            query.filter(sent_to(recipient))
        })
        .apply_if(filter.provider_id.as_ref(), |query, id| {
            query.filter(has_provider_id(id))
        })
        .apply_if(filter.received_after, |query, at| {
            query.filter(Column::CreatedAt.gte(instant::to_millis(at)))
        })
        .apply_if(filter.received_before, |query, at| {
            query.filter(Column::CreatedAt.lt(instant::to_millis(at)))
        })
        .apply_if(dismissal_filter(filter.dismissed), QueryFilter::filter)
        .filter(older_than(Column::CreatedAt.into_expr(), after));
    newest_first(orphans)
}
