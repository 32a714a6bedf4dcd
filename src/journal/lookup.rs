//! Finds callbacks by id, and lists them newest first, for pages and API.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use uuid::Uuid;

use crate::db::statements::IDS_PER_QUERY;
use crate::db::{Error, instant};
use crate::domain::account_limit::AccountLimit;
use crate::domain::callback_record::{CallbackSummary, JournalEntry};
use crate::domain::ids::{AccountId, CallbackId};
use crate::journal::entry_row::read_entries;
use crate::journal::journal_handle::Journal;
use crate::journal::journal_row::{Column, Entity, SummaryRow};

/// Selects callbacks. Absent fields do not restrict the selection.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct JournalFilter {
    pub account: Option<AccountId>,
    /// The accounts that the caller may see.
    pub limit: AccountLimit,
    pub ids: Option<Vec<CallbackId>>,
    /// Inclusive.
    pub received_after: Option<DateTime<Utc>>,
    /// Exclusive.
    pub received_before: Option<DateTime<Utc>>,
    /// Journal sequence number. Inclusive.
    pub first_seq: Option<i64>,
    /// Inclusive.
    pub last_seq: Option<i64>,
}

/// How many callbacks next to an instant are searched for the first or last `seq` of a period.
/// Callbacks from the spool have a higher `seq` than others of their time.
const NEIGHBOURS: u64 = 1_000;

impl Journal {
    pub async fn find(&self, id: CallbackId) -> Result<Option<JournalEntry>, Error> {
        let entries = read_entries(self.pools().reader(), with_ids(&[id])).await?;
        Ok(entries.into_iter().next())
    }

    /// Existing entries with these ids, in journal order, with bodies.
    pub async fn find_all(&self, ids: &[CallbackId]) -> Result<Vec<JournalEntry>, Error> {
        let mut entries = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(IDS_PER_QUERY) {
            entries.extend(read_entries(self.pools().reader(), with_ids(chunk)).await?);
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

    /// One page, newest first, of callbacks with a `seq` below `before_seq`.
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
        let bounds = [
            before_seq.map(|before| Column::Seq.lt(before)),
            filter.first_seq.map(|seq| Column::Seq.gte(seq)),
            filter.last_seq.map(|seq| Column::Seq.lte(seq)),
            (filter.received_after).map(|at| Column::ReceivedAt.gte(instant::to_millis(at))),
            (filter.received_before).map(|at| Column::ReceivedAt.lt(instant::to_millis(at))),
        ];
        for bound in bounds.into_iter().flatten() {
            query = query.filter(bound);
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

    /// The smallest `seq` among the first callbacks that were received at or after this instant.
    /// Searches by id, since ids begin with their time. `None` if there is none.
    pub async fn first_seq_after(&self, at: DateTime<Utc>) -> Result<Option<i64>, Error> {
        let next = Entity::find()
            .filter(Column::Id.gte(CallbackId::first_at(at).uuid()))
            .order_by_asc(Column::Id);
        Ok(self.neighbour_seqs(next).await?.into_iter().min())
    }

    /// The largest `seq` among the last callbacks that were received before this instant. `None` if
    /// there is none.
    pub async fn last_seq_before(&self, at: DateTime<Utc>) -> Result<Option<i64>, Error> {
        let last = Entity::find()
            .filter(Column::Id.lt(CallbackId::first_at(at).uuid()))
            .order_by_desc(Column::Id);
        Ok(self.neighbour_seqs(last).await?.into_iter().max())
    }

    async fn neighbour_seqs(&self, query: Select<Entity>) -> Result<Vec<i64>, Error> {
        let seqs = query.select_only().column(Column::Seq).limit(NEIGHBOURS);
        Ok(seqs.into_tuple().all(self.pools().reader()).await?)
    }

    /// Finds those of these callbacks whose body contains the exact text. Reads every body.
    pub async fn find_containing(
        &self,
        ids: &[CallbackId],
        text: &str,
    ) -> Result<HashSet<CallbackId>, Error> {
        let reader = self.pools().reader();
        let condition = match reader.get_database_backend() {
            DbBackend::Postgres => "position($1 in content) > 0",
            _ => "instr(content, ?) > 0",
        };
        let mut found = HashSet::new();
        for chunk in ids.chunks(IDS_PER_QUERY) {
            let rows: Vec<Uuid> = with_ids(chunk)
                .select_only()
                .column(Column::Id)
                .filter(Expr::cust_with_values(
                    condition,
                    [text.as_bytes().to_vec()],
                ))
                .into_tuple()
                .all(reader)
                .await?;
            found.extend(rows.into_iter().map(CallbackId::from));
        }
        Ok(found)
    }
}

fn with_ids(ids: &[CallbackId]) -> Select<Entity> {
    Entity::find().filter(Column::Id.is_in(ids.iter().map(|id| id.uuid())))
}
