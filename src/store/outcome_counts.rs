//! How many callbacks have each outcome, changed together with the outcomes; and how many entries
//! the journal had, counted in the journal. Both sums are equal unless a callback was lost.
//!
//! The table `callback_books` has one row, which only a transaction with the write lock changes.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryResult, QuerySelect,
};
use uuid::Uuid;

use crate::db::{Error, instant};
use crate::domain::callback_outcome::Outcome;
use crate::store::entities::callback_outcome_row::{Column, Entity};
use crate::store::ledger::message_counts::bucket_of;
use crate::store::purge_statements::{execute, query};
use crate::store::{Store, store_settings};

const TABLE: &str = "callback_books";
/// Messages up to this age are compared with their counts.
const COMPARED_PERIOD: TimeDelta = TimeDelta::hours(24);

/// By how much the number of callbacks of each outcome changes.
pub(crate) type OutcomeDifferences = BTreeMap<Outcome, i64>;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutcomeCounts {
    /// In the order of [`Outcome::ALL`].
    pub outcomes: Vec<(Outcome, i64)>,
    /// The journal `seq` up to which entries are counted.
    pub until: i64,
    /// Entries up to `until` whose outcome is kept.
    pub entries: i64,
    /// Outcomes after `until`.
    pub later: i64,
    /// The last processed journal `seq`.
    pub position: i64,
    /// Absent before the first comparison.
    pub messages: Option<MessageComparison>,
}

/// Messages compared with their counts by state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessageComparison {
    /// The start of the first quarter hour.
    pub since: DateTime<Utc>,
    pub messages: i64,
    /// The sum over all states.
    pub counted: i64,
    pub at: DateTime<Utc>,
}

impl OutcomeCounts {
    /// How many more entries the journal had than there are outcomes; 0 unless a
    /// callback was lost.
    pub fn difference(&self) -> i64 {
        let outcomes: i64 = self.outcomes.iter().map(|(_, number)| number).sum();
        self.entries + self.later - outcomes
    }
}

impl Store {
    /// Fast: only the outcomes of about the last minute are still to be counted.
    pub async fn find_outcome_counts(&self) -> Result<OutcomeCounts, Error> {
        let sql = format!(
            "SELECT {TABLE}.*, \
             (SELECT count(*) FROM callback_outcomes WHERE seq > {TABLE}.until_seq) AS later, \
             COALESCE((SELECT value FROM settings WHERE name = '{}'), '0') AS position FROM {TABLE}",
            store_settings::name::POSITION
        );
        let rows = query(self.pools().reader(), &sql, Vec::new()).await?;
        rows.first().map_or_else(|| Err(missing()), parse_row)
    }

    /// Adds entries of the journal that were processed. Returns false if another process has added
    /// them.
    pub async fn add_journal_entries(
        &self,
        from: i64,
        until: i64,
        entries: u64,
    ) -> Result<bool, Error> {
        let sql = format!(
            "UPDATE {TABLE} SET until_seq = $1, entries = entries + $2 WHERE until_seq = $3"
        );
        let values = vec![
            until.into(),
            i64::try_from(entries).unwrap_or(i64::MAX).into(),
            from.into(),
        ];
        let changed = self
            .pools()
            .within(async |transaction| execute(transaction, &sql, values).await)
            .await?;
        Ok(changed == 1)
    }

    /// Compares the messages of the last day with their counts by state.
    pub async fn compare_messages(&self, now: DateTime<Utc>) -> Result<(), Error> {
        let since = bucket_of(instant::to_millis(now - COMPARED_PERIOD));
        let purged_before = store_settings::counts_purged_before(self.pools().reader()).await?;
        // A purge removes messages and leaves their counts.
        if purged_before.is_some_and(|before| before > since) {
            return Ok(());
        }
        let sql = "SELECT (SELECT count(*) FROM messages WHERE counted_at >= $1 AND origin <> 'provisional') \
                   + (SELECT count(*) FROM messages WHERE counted_at IS NULL AND created_at >= $1 AND origin <> 'provisional') AS messages, \
                   (SELECT CAST(COALESCE(SUM(messages), 0) AS bigint) FROM message_counts WHERE bucket >= $1) AS counted";
        let rows = query(self.pools().reader(), sql, vec![since.into()]).await?;
        let row = rows.first().ok_or_else(missing)?;
        let messages: i64 = row.try_get("", "messages")?;
        let counted: i64 = row.try_get("", "counted")?;
        let sql = format!(
            "UPDATE {TABLE} SET messages_since = $1, messages = $2, message_counts = $3, checked_at = $4"
        );
        let values = vec![
            since.into(),
            messages.into(),
            counted.into(),
            instant::to_millis(now).into(),
        ];
        self.pools()
            .within(async |transaction| execute(transaction, &sql, values).await)
            .await?;
        Ok(())
    }
}

fn parse_row(row: &QueryResult) -> Result<OutcomeCounts, Error> {
    let number = |column: &str| row.try_get::<i64>("", column);
    let mut outcomes = Vec::with_capacity(Outcome::ALL.len());
    for outcome in Outcome::ALL {
        outcomes.push((outcome, number(outcome.as_str())?));
    }
    let position: String = row.try_get("", "position")?;
    let compared = |column: &str| row.try_get::<Option<i64>>("", column);
    let messages = match (
        compared("messages_since")?,
        compared("messages")?,
        compared("message_counts")?,
        compared("checked_at")?,
    ) {
        (Some(since), Some(messages), Some(counted), Some(at)) => Some(MessageComparison {
            since: instant::from_millis(TABLE, "messages_since", since)?,
            messages,
            counted,
            at: instant::from_millis(TABLE, "checked_at", at)?,
        }),
        _ => None,
    };
    Ok(OutcomeCounts {
        outcomes,
        until: number("until_seq")?,
        entries: number("entries")?,
        later: number("later")?,
        position: position
            .parse()
            .map_err(|_| Error::inconsistent("settings", "value", "reconcile_position"))?,
        messages,
    })
}

fn missing() -> Error {
    Error::UnexpectedRowCount {
        table: TABLE,
        expected: 1,
        touched: 0,
    }
}

/// Adds to the counts of outcomes, in the transaction that changes the outcomes.
pub(crate) async fn add_to_counts(
    connection: &impl ConnectionTrait,
    differences: &OutcomeDifferences,
) -> Result<(), Error> {
    change_counts(connection, differences, 0).await
}

async fn change_counts(
    connection: &impl ConnectionTrait,
    differences: &OutcomeDifferences,
    entries: i64,
) -> Result<(), Error> {
    if entries == 0 && differences.values().all(|difference| *difference == 0) {
        return Ok(());
    }
    let mut values = vec![entries.into()];
    let mut set = vec!["entries = entries + $1".to_owned()];
    for (parameter, outcome) in (2..).zip(Outcome::ALL) {
        let column = outcome.as_str();
        set.push(format!("{column} = {column} + ${parameter}"));
        let difference = differences.get(&outcome).copied().unwrap_or_default();
        values.push(difference.into());
    }
    execute(
        connection,
        &format!("UPDATE {TABLE} SET {}", set.join(", ")),
        values,
    )
    .await?;
    Ok(())
}

/// Counts the outcomes that fulfil a condition, and how many of them are of entries up to
/// `until_seq`.
async fn count_outcomes(
    connection: &impl ConnectionTrait,
    condition: Condition,
) -> Result<Vec<(Outcome, i64, i64)>, Error> {
    let counted =
        format!("SUM(CASE WHEN seq <= (SELECT until_seq FROM {TABLE}) THEN 1 ELSE 0 END)");
    Ok(Entity::find()
        .select_only()
        .column(Column::Outcome)
        .column_as(Column::Callback.count(), "number")
        .column_as(Expr::cust(counted), "counted")
        .filter(condition)
        .group_by(Column::Outcome)
        .into_tuple()
        .all(connection)
        .await?)
}

/// Deletes outcomes and subtracts them from the counts; returns how many. The condition must select
/// the same rows twice.
pub(crate) async fn remove_outcomes(
    connection: &impl ConnectionTrait,
    condition: Condition,
) -> Result<u64, Error> {
    let numbers = count_outcomes(connection, condition.clone()).await?;
    let removed = Entity::delete_many()
        .filter(condition)
        .exec(connection)
        .await?;
    let differences = numbers
        .iter()
        .map(|(outcome, number, _)| (*outcome, -number));
    let counted: i64 = numbers.iter().map(|(_, _, counted)| counted).sum();
    change_counts(connection, &differences.collect(), -counted).await?;
    Ok(removed.rows_affected)
}

/// The differences if these callbacks, of which some have an outcome, get these outcomes.
pub(crate) async fn find_differences(
    connection: &impl ConnectionTrait,
    new: &HashMap<Uuid, Outcome>,
) -> Result<OutcomeDifferences, Error> {
    let mut differences = OutcomeDifferences::new();
    for outcome in new.values() {
        *differences.entry(*outcome).or_default() += 1;
    }
    let ids: Vec<Uuid> = new.keys().copied().collect();
    for chunk in ids.chunks(crate::db::statements::IDS_PER_QUERY) {
        let these = Column::Callback.is_in(chunk.iter().copied());
        for (outcome, number, _) in count_outcomes(connection, Condition::all().add(these)).await? {
            *differences.entry(outcome).or_default() -= number;
        }
    }
    Ok(differences)
}

/// Excludes entries from `seq` on, because they will be processed and counted again.
pub(crate) async fn count_again_from(
    connection: &impl ConnectionTrait,
    seq: i64,
) -> Result<(), Error> {
    let sql = format!("UPDATE {TABLE} SET until_seq = $1 WHERE until_seq > $1");
    execute(connection, &sql, vec![(seq - 1).into()]).await?;
    Ok(())
}

/// Discrepancies between the counts of outcomes and a recount.
pub(super) async fn compare_with_recount(
    connection: &impl ConnectionTrait,
) -> Result<Vec<String>, Error> {
    let mut recount = OutcomeDifferences::new();
    for (outcome, number, _) in count_outcomes(connection, Condition::all()).await? {
        recount.insert(outcome, number);
    }
    let rows = query(connection, &format!("SELECT * FROM {TABLE}"), Vec::new()).await?;
    let row = rows.first().ok_or_else(missing)?;
    let mut discrepancies = Vec::new();
    for outcome in Outcome::ALL {
        let word = outcome.as_str();
        let stored: i64 = row.try_get("", word)?;
        let number = recount.get(&outcome).copied().unwrap_or_default();
        if stored != number {
            discrepancies.push(format!(
                "callbacks with the outcome {word}: {stored} are counted, and there are {number}"
            ));
        }
    }
    Ok(discrepancies)
}
