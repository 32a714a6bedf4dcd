//! Rows that belong to no message, removed once they are past their retention.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, Condition};
use uuid::Uuid;

use crate::db::pools::Pools;
use crate::db::{Error, instant};
use crate::domain::ids::CallbackId;
use crate::store::entities::callback_outcome_row;
use crate::store::purge_statements::{SqlCondition, count, execute, query};
use crate::store::{Store, outcome_counts};

/// Rows removed in one transaction.
const BATCH_ROWS: u64 = 250;
/// Free pages of SQLite's file that one call returns to the file system: each moves another page.
const RELEASED_PAGES: u32 = 64;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PurgeMode {
    Count,
    Remove,
}

/// Rows of one table, with the instant before which they are removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExpiredRows {
    /// Outcomes of callbacks below this journal `seq`, except those with a quarantine copy received
    /// at or after this instant.
    Outcomes(i64, DateTime<Utc>),
    /// By receive time.
    Quarantine(DateTime<Utc>),
    /// Actions without a message.
    Actions(DateTime<Utc>),
    Windows(DateTime<Utc>),
    /// By the callback that reported them.
    AccountEvents(DateTime<Utc>),
    /// By when callbacks last named both ids.
    PersonLinks(DateTime<Utc>),
    SignInLinks(DateTime<Utc>),
    Leases(DateTime<Utc>),
    /// By the callback that showed that the id is constant.
    ConstantIds(DateTime<Utc>),
    /// Of campaigns that ended, or were never started.
    CampaignRecipients(DateTime<Utc>),
    /// Campaigns without messages and recipients.
    Campaigns(DateTime<Utc>),
}

impl ExpiredRows {
    pub fn table(self) -> &'static str {
        match self {
            Self::Outcomes(..) => "callback_outcomes",
            Self::Quarantine(_) => "quarantine",
            Self::Actions(_) => "actions",
            Self::Windows(_) => "windows",
            Self::AccountEvents(_) => "account_events",
            Self::PersonLinks(_) => "person_links",
            Self::SignInLinks(_) => "sign_in_links",
            Self::Leases(_) => "leases",
            Self::ConstantIds(_) => "provider_ids",
            Self::CampaignRecipients(_) => "campaign_recipients",
            Self::Campaigns(_) => "campaigns",
        }
    }

    fn primary_key(self) -> &'static str {
        match self {
            Self::Outcomes(..) => "callback",
            Self::Quarantine(_) | Self::AccountEvents(_) => "(callback, part)",
            Self::Actions(_) | Self::Campaigns(_) => "id",
            Self::Windows(_) => "(account, phone)",
            Self::PersonLinks(_) => "(account, identity, other, kind)",
            Self::SignInLinks(_) => "hash",
            Self::Leases(_) => "name",
            Self::ConstantIds(_) => "(account, provider_id)",
            Self::CampaignRecipients(_) => "(campaign, position)",
        }
    }

    fn condition(self) -> SqlCondition {
        let before = |column: &str, at: DateTime<Utc>| SqlCondition {
            sql: format!("{column} < $1"),
            values: vec![instant::to_millis(at).into()],
        };
        match self {
            Self::Outcomes(seq, kept_since) => SqlCondition {
                sql: "seq < $1 AND NOT EXISTS (SELECT 1 FROM quarantine \
                      WHERE quarantine.callback = callback_outcomes.callback AND quarantine.callback >= $2)"
                    .to_owned(),
                values: vec![seq.into(), CallbackId::first_at(kept_since).uuid().into()],
            },
            Self::Quarantine(at) | Self::AccountEvents(at) => SqlCondition {
                sql: "callback < $1".to_owned(),
                values: vec![CallbackId::first_at(at).uuid().into()],
            },
            Self::Actions(at) => SqlCondition {
                sql: "message IS NULL AND happened_at < $1".to_owned(),
                ..before("happened_at", at)
            },
            Self::Windows(at) => before("last_inbound_at", at),
            Self::PersonLinks(at) => before("last_at", at),
            Self::ConstantIds(at) => SqlCondition {
                sql: "learned_from = 'constant' AND learned_at < $1".to_owned(),
                ..before("learned_at", at)
            },
            Self::CampaignRecipients(at) => SqlCondition {
                sql: "campaign IN (SELECT id FROM campaigns WHERE COALESCE(finished_at, created_at) < $1 \
                      AND state NOT IN ('scheduled', 'running', 'paused'))"
                    .to_owned(),
                ..before("created_at", at)
            },
            Self::Campaigns(at) => SqlCondition {
                sql: "COALESCE(finished_at, created_at) < $1 \
                      AND NOT EXISTS (SELECT 1 FROM messages WHERE messages.campaign = campaigns.id) \
                      AND NOT EXISTS (SELECT 1 FROM campaign_recipients WHERE campaign_recipients.campaign = campaigns.id)"
                    .to_owned(),
                ..before("created_at", at)
            },
            Self::SignInLinks(at) | Self::Leases(at) => before("expires_at", at),
        }
    }
}

impl Store {
    /// Removes one batch of rows, or counts them all; returns the number of rows.
    pub async fn purge_expired(&self, expired: ExpiredRows, mode: PurgeMode) -> Result<u64, Error> {
        let (table, condition) = (expired.table(), expired.condition());
        match mode {
            PurgeMode::Count => count(self.pools().reader(), table, condition).await,
            PurgeMode::Remove if matches!(expired, ExpiredRows::Outcomes(..)) => {
                remove_some_outcomes(self.pools(), condition).await
            }
            PurgeMode::Remove => {
                remove_some(self.pools(), table, expired.primary_key(), condition).await
            }
        }
    }

    /// Whether more rows may be left after a batch of this size.
    pub fn may_be_more(removed: u64) -> bool {
        removed >= BATCH_ROWS
    }

    /// Returns some free pages of SQLite's file to the file system; returns how many are left.
    pub async fn release_free_pages(&self) -> Result<u64, Error> {
        if self.pools().count_free_pages().await? == 0 {
            return Ok(0);
        }
        self.pools().release_free_pages(RELEASED_PAGES).await
    }
}

async fn remove_some(
    pools: &Pools,
    table: &str,
    key: &str,
    condition: SqlCondition,
) -> Result<u64, Error> {
    let columns = key.trim_matches(['(', ')']);
    let sql = format!(
        "DELETE FROM {table} WHERE {key} IN (SELECT {columns} FROM {table} WHERE {} LIMIT {BATCH_ROWS})",
        condition.sql
    );
    pools
        .within(async |transaction| execute(transaction, &sql, condition.values).await)
        .await
}

/// Removes outcomes together with their counts.
async fn remove_some_outcomes(pools: &Pools, condition: SqlCondition) -> Result<u64, Error> {
    let sql = format!(
        "SELECT callback FROM callback_outcomes WHERE {} LIMIT {BATCH_ROWS}",
        condition.sql
    );
    pools
        .within(async |transaction| {
            let mut ids: Vec<Uuid> = Vec::new();
            for row in query(transaction, &sql, condition.values).await? {
                ids.push(row.try_get("", "callback")?);
            }
            let these = Condition::all().add(callback_outcome_row::Column::Callback.is_in(ids));
            outcome_counts::remove_outcomes(transaction, these).await
        })
        .await
}
