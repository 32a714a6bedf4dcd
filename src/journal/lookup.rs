//! Finds callbacks by id, and lists them newest first, for pages and API.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use uuid::Uuid;

use crate::db::Error;
use crate::db::statements::IDS_PER_QUERY;
use crate::domain::account_limit::AccountLimit;
use crate::domain::callback_record::{CallbackSummary, JournalEntry};
use crate::domain::ids::{AccountId, CallbackId};
use crate::journal::journal_handle::Journal;
use crate::journal::journal_row::{Column, Entity, SummaryRow};

/// Absent fields do not restrict.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct JournalFilter {
    pub account: Option<AccountId>,
    /// Of the caller.
    pub limit: AccountLimit,
    pub ids: Option<Vec<CallbackId>>,
}

impl Journal {
    pub async fn find(&self, id: CallbackId) -> Result<Option<JournalEntry>, Error> {
        with_ids(&[id])
            .one(self.pools().reader())
            .await?
            .map(JournalEntry::try_from)
            .transpose()
    }

    /// Existing entries with these ids, in journal order, with bodies.
    pub async fn find_all(&self, ids: &[CallbackId]) -> Result<Vec<JournalEntry>, Error> {
        let mut entries = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(IDS_PER_QUERY) {
            for row in with_ids(chunk).all(self.pools().reader()).await? {
                entries.push(JournalEntry::try_from(row)?);
            }
        }
        entries.sort_unstable_by_key(|entry| entry.seq);
        Ok(entries)
    }

    /// Body sizes of existing callbacks.
    pub async fn list_sizes(&self, ids: &[CallbackId]) -> Result<HashMap<CallbackId, u64>, Error> {
        let mut sizes = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(IDS_PER_QUERY) {
            let rows: Vec<(Uuid, i64)> = with_ids(chunk)
                .select_only()
                .columns([Column::Id, Column::Size])
                .into_tuple()
                .all(self.pools().reader())
                .await?;
            let size = |size| u64::try_from(size).unwrap_or_default();
            sizes.extend(rows.into_iter().map(|(id, bytes)| (id.into(), size(bytes))));
        }
        Ok(sizes)
    }

    /// One page, newest first, below `before_seq`.
    pub async fn list(
        &self,
        filter: &JournalFilter,
        before_seq: Option<i64>,
        limit: u64,
    ) -> Result<Vec<CallbackSummary>, Error> {
        let mut query = match &filter.ids {
            Some(ids) => with_ids(ids),
            None => Entity::find(),
        };
        if let Some(account) = &filter.account {
            query = query.filter(Column::Account.eq(account.as_str()));
        }
        if let Some(accounts) = filter.limit.accounts() {
            query = query.filter(Column::Account.is_in(accounts.iter().map(AccountId::as_str)));
        }
        if let Some(before) = before_seq {
            query = query.filter(Column::Seq.lt(before));
        }
        query
            .order_by_desc(Column::Seq)
            .limit(limit)
            .into_partial_model::<SummaryRow>()
            .all(self.pools().reader())
            .await?
            .into_iter()
            .map(CallbackSummary::try_from)
            .collect()
    }
}

fn with_ids(ids: &[CallbackId]) -> Select<Entity> {
    Entity::find().filter(Column::Id.is_in(ids.iter().map(|id| id.uuid())))
}
