//! Reading everything once, in pieces, to see whether what is stored agrees with itself. Writes nothing.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    AccessMode, ColumnTrait, DatabaseTransaction, DbBackend, EntityTrait, ExprTrait,
    IsolationLevel, QueryFilter, QueryOrder, QuerySelect, TransactionTrait,
};
use uuid::Uuid;

use crate::db::Error;
use crate::domain::delivery_state::Stage;
use crate::domain::ids::{CallbackId, MessageId};
use crate::domain::message::Origin;
use crate::domain::receipt::SourceKind;
use crate::store::callback_outcomes::Outcome;
use crate::store::entities::{
    attempt_row, callback_outcome_row, latency_count_row, merged_message_row, message_count_row,
    message_row, provider_id_row, receipt_row,
};
use crate::store::ledger::{BUCKET, Cohort, Standing, chief_id, count_key, latency_keys, refold};
use crate::store::{Store, receipts as facts_of, store_settings};

/// Rows of a piece.
const PAGE_ROWS: u64 = 400;
/// Quarter hours counted in one go: a day.
const DAY_BUCKETS: i64 = 96;

/// Two stored things that do not agree; told by ids alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Discrepancy {
    /// What does not agree, naming ids and no person.
    pub words: String,
}

impl fmt::Display for Discrepancy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.words)
    }
}

/// What is stored and what a recount says, by where it is counted.
type CountComparison = BTreeMap<(Cohort, CountedValue), (i64, i64)>;

/// What is counted of a quarter hour, account and kind.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum CountedValue {
    Messages(Standing),
    /// Messages that took a time of this bucket to a stage.
    Latencies(Stage, i64),
}

fn discrepancy(words: String) -> Discrepancy {
    Discrepancy { words }
}

/// The main database as it is at one instant.
#[derive(Debug)]
pub struct VerifySnapshot {
    transaction: DatabaseTransaction,
}

impl Store {
    /// Looks at the database as it is now, whatever is written meanwhile.
    pub async fn snapshot(&self) -> Result<VerifySnapshot, Error> {
        let reader = self.pools().reader();
        let transaction = if reader.get_database_backend() == DbBackend::Postgres {
            let isolation = Some(IsolationLevel::RepeatableRead);
            reader
                .begin_with_config(isolation, Some(AccessMode::ReadOnly))
                .await?
        } else {
            reader.begin().await?
        };
        Ok(VerifySnapshot { transaction })
    }
}

impl VerifySnapshot {
    /// Ends it, so that what it held may be cleaned up.
    pub async fn close(self) -> Result<(), Error> {
        Ok(self.transaction.rollback().await?)
    }

    /// The last journal `seq` whose effects are here.
    pub async fn position(&self) -> Result<i64, Error> {
        store_settings::position(&self.transaction).await
    }

    /// How many messages there are, for a progress bar.
    pub async fn count_messages(&self) -> Result<u64, Error> {
        use sea_orm::PaginatorTrait;
        Ok(message_row::Entity::find().count(&self.transaction).await?)
    }

    /// Outcomes of callbacks by their places in the journal, within `(after, until]`.
    pub async fn list_outcomes(
        &self,
        after: i64,
        until: i64,
    ) -> Result<BTreeMap<i64, CallbackId>, Error> {
        let rows: Vec<(i64, Uuid)> = callback_outcome_row::Entity::find()
            .select_only()
            .columns([
                callback_outcome_row::Column::Seq,
                callback_outcome_row::Column::Callback,
            ])
            .filter(callback_outcome_row::Column::Seq.gt(after))
            .filter(callback_outcome_row::Column::Seq.lte(until))
            .into_tuple()
            .all(&self.transaction)
            .await?;
        Ok(rows.into_iter().map(|(seq, id)| (seq, id.into())).collect())
    }

    /// The next piece of messages: whether each is what its facts and ids say. `None` after the last.
    pub async fn check_messages(
        &self,
        after: Option<MessageId>,
    ) -> Result<Option<(MessageId, u64, Vec<Discrepancy>)>, Error> {
        let rows = message_row::Entity::find()
            .filter(message_row::Column::Id.gt(after.map_or(Uuid::nil(), MessageId::uuid)))
            .order_by_asc(message_row::Column::Id)
            .limit(PAGE_ROWS)
            .all(&self.transaction)
            .await?;
        let Some(last) = rows.last() else {
            return Ok(None);
        };
        let (last, number) = (last.id, u64::try_from(rows.len()).unwrap_or_default());
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        let facts = facts_of::find_of(&self.transaction, &ids).await?;
        let names = self.names_of(&ids).await?;
        let mut found = Vec::new();
        for row in &rows {
            let names = names.get(&row.id).map_or(&[][..], Vec::as_slice);
            let mut derived = row.clone();
            refold(&mut derived, facts.get(&row.id).map_or(&[], Vec::as_slice))?;
            derived.provider_id = chief_id(names);
            found.extend(compare(row, &derived));
            for name in names.iter().filter(|name| name.account != row.account) {
                found.push(discrepancy(format!(
                    "message {} of account {} holds an id of account {}",
                    row.id, row.account, name.account
                )));
            }
        }
        Ok(Some((last.into(), number, found)))
    }

    async fn names_of(
        &self,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, Vec<provider_id_row::Model>>, Error> {
        let rows = provider_id_row::Entity::find()
            .filter(provider_id_row::Column::Message.is_in(ids.iter().copied()))
            .all(&self.transaction)
            .await?;
        let mut names: HashMap<Uuid, Vec<provider_id_row::Model>> = HashMap::new();
        for row in rows {
            names.entry(row.message).or_default().push(row);
        }
        Ok(names)
    }

    /// The next day of counts at or after `bucket`: whether they equal a recount. `None` after the last.
    pub async fn check_counts(
        &self,
        bucket: i64,
    ) -> Result<Option<(i64, u64, Vec<Discrepancy>)>, Error> {
        let Some(first) = self.next_bucket(bucket).await? else {
            return Ok(None);
        };
        let next = first + DAY_BUCKETS * BUCKET;
        let stored = message_count_row::Entity::find()
            .filter(message_count_row::Column::Bucket.gte(first))
            .filter(message_count_row::Column::Bucket.lt(next))
            .all(&self.transaction)
            .await?;
        let mut numbers = CountComparison::new();
        for row in stored {
            let standing = (row.origin, row.state, row.code, row.class);
            let cohort = (row.bucket, row.account, row.kind);
            let key = (cohort, CountedValue::Messages(standing));
            numbers.entry(key).or_default().0 = row.messages;
        }
        let latencies = latency_count_row::Entity::find()
            .filter(latency_count_row::Column::Bucket.gte(first))
            .filter(latency_count_row::Column::Bucket.lt(next))
            .all(&self.transaction)
            .await?;
        for row in latencies {
            let cohort = (row.bucket, row.account, row.kind);
            let key = (cohort, CountedValue::Latencies(row.stage, row.latency));
            numbers.entry(key).or_default().0 = row.messages;
        }
        self.recount(first, next, &mut numbers).await?;
        let purged_before = store_settings::purged_before(&self.transaction).await?;
        let checked = u64::try_from(numbers.len()).unwrap_or_default();
        let wrong = numbers.into_iter().filter(|(key, (stored, recounted))| {
            // Purging takes rows and leaves their counts.
            let purged = purged_before.is_some_and(|before| key.0.0 < before);
            if purged {
                stored < recounted
            } else {
                stored != recounted
            }
        });
        let found = wrong
            .map(|(((bucket, account, kind), counted), (stored, recounted))| {
                let what = match counted {
                    CountedValue::Messages((origin, state, code, _)) => {
                        format!("{origin}, {state}, code `{code}`")
                    }
                    CountedValue::Latencies(stage, latency) => format!("time to {}, step {latency}", stage.as_str()),
                };
                discrepancy(format!(
                    "the count of quarter hour {bucket} (ms), account {account}, kind `{kind}`, {what} is {stored}; a recount says {recounted}"
                ))
            })
            .collect();
        Ok(Some((next, checked, found)))
    }

    /// The first quarter hour at or after `bucket` of which anything is counted or there.
    async fn next_bucket(&self, bucket: i64) -> Result<Option<i64>, Error> {
        let counted: Option<i64> = message_count_row::Entity::find()
            .select_only()
            .column(message_count_row::Column::Bucket)
            .filter(message_count_row::Column::Bucket.gte(bucket))
            .order_by_asc(message_count_row::Column::Bucket)
            .into_tuple()
            .one(&self.transaction)
            .await?;
        let created: Option<i64> = message_row::Entity::find()
            .select_only()
            .column(message_row::Column::CreatedAt)
            .filter(message_row::Column::CreatedAt.gte(bucket))
            .order_by_asc(message_row::Column::CreatedAt)
            .into_tuple()
            .one(&self.transaction)
            .await?;
        let created = created.map(|at| at.div_euclid(BUCKET) * BUCKET);
        Ok([counted, created].into_iter().flatten().min())
    }

    async fn recount(
        &self,
        first: i64,
        next: i64,
        numbers: &mut CountComparison,
    ) -> Result<(), Error> {
        let mut after = (first, Uuid::nil());
        loop {
            let rows = message_row::Entity::find()
                .filter(message_row::Column::CreatedAt.lt(next))
                .filter(
                    Expr::tuple([
                        Expr::col(message_row::Column::CreatedAt),
                        Expr::col(message_row::Column::Id),
                    ])
                    .gt(Expr::tuple([Expr::value(after.0), Expr::value(after.1)])),
                )
                .order_by_asc(message_row::Column::CreatedAt)
                .order_by_asc(message_row::Column::Id)
                .limit(PAGE_ROWS)
                .all(&self.transaction)
                .await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = (last.created_at, last.id);
            let counted = rows.iter().filter(|row| row.origin != Origin::Orphan);
            for row in counted {
                let (cohort, standing) = count_key(row);
                let key = (cohort, CountedValue::Messages(standing));
                numbers.entry(key).or_default().1 += 1;
                for (cohort, stage, latency) in latency_keys(row) {
                    let counted = CountedValue::Latencies(stage, latency);
                    numbers.entry((cohort, counted)).or_default().1 += 1;
                }
            }
        }
    }

    /// Facts, attempts, ids and forwarding addresses that point to nothing, at most `limit` of each kind.
    pub async fn find_dangling(&self, limit: u64) -> Result<Vec<Discrepancy>, Error> {
        let every_message = || {
            Query::select()
                .column(message_row::Column::Id)
                .from(message_row::Entity)
                .to_owned()
        };
        let mut found = Vec::new();
        let facts: Vec<(Uuid, i32, Uuid)> = receipt_row::Entity::find()
            .select_only()
            .columns([
                receipt_row::Column::Source,
                receipt_row::Column::Part,
                receipt_row::Column::Message,
            ])
            .filter(receipt_row::Column::Message.not_in_subquery(every_message()))
            .limit(limit)
            .into_tuple()
            .all(&self.transaction)
            .await?;
        found.extend(facts.into_iter().map(|(source, part, message)| {
            discrepancy(format!(
                "fact {source}/{part} is about message {message}, which is not there"
            ))
        }));
        let exchanges: Vec<(Uuid, Uuid)> = attempt_row::Entity::find()
            .select_only()
            .columns([attempt_row::Column::Id, attempt_row::Column::Message])
            .filter(attempt_row::Column::Message.not_in_subquery(every_message()))
            .limit(limit)
            .into_tuple()
            .all(&self.transaction)
            .await?;
        found.extend(exchanges.into_iter().map(|(attempt, message)| {
            discrepancy(format!(
                "attempt {attempt} is about message {message}, which is not there"
            ))
        }));
        let holders: Vec<Uuid> = provider_id_row::Entity::find()
            .select_only()
            .column(provider_id_row::Column::Message)
            .distinct()
            .filter(provider_id_row::Column::Message.not_in_subquery(every_message()))
            .limit(limit)
            .into_tuple()
            .all(&self.transaction)
            .await?;
        found.extend(holders.into_iter().map(|message| {
            discrepancy(format!(
                "a provider id leads to message {message}, which is not there"
            ))
        }));
        let forwarded: Vec<(Uuid, Uuid)> = merged_message_row::Entity::find()
            .select_only()
            .columns([
                merged_message_row::Column::Id,
                merged_message_row::Column::Survivor,
            ])
            .filter(merged_message_row::Column::Survivor.not_in_subquery(every_message()))
            .limit(limit)
            .into_tuple()
            .all(&self.transaction)
            .await?;
        found.extend(forwarded.into_iter().map(|(id, survivor)| {
            discrepancy(format!(
                "{id} is said to live on in message {survivor}, which is not there"
            ))
        }));
        Ok(found)
    }

    /// Callbacks whose facts and outcome contradict each other, at most `limit` of each kind.
    pub async fn find_contradictions(&self, limit: u64) -> Result<Vec<Discrepancy>, Error> {
        let told: Vec<(Uuid, Outcome)> = callback_outcome_row::Entity::find()
            .select_only()
            .columns([
                callback_outcome_row::Column::Callback,
                callback_outcome_row::Column::Outcome,
            ])
            .filter(callback_outcome_row::Column::Outcome.ne(Outcome::Receipts))
            .filter(
                callback_outcome_row::Column::Callback.in_subquery(
                    Query::select()
                        .column(receipt_row::Column::Source)
                        .from(receipt_row::Entity)
                        .and_where(receipt_row::Column::SourceKind.eq(SourceKind::Callback))
                        .to_owned(),
                ),
            )
            .limit(limit)
            .into_tuple()
            .all(&self.transaction)
            .await?;
        let mut found: Vec<Discrepancy> = told
            .into_iter()
            .map(|(callback, outcome)| {
                discrepancy(format!(
                    "callback {callback} counts as `{}` and yet told facts",
                    outcome.as_str()
                ))
            })
            .collect();
        if store_settings::purged_before(&self.transaction)
            .await?
            .is_some()
        {
            // Facts go with their messages, outcomes with their callbacks.
            return Ok(found);
        }
        let silent: Vec<Uuid> = callback_outcome_row::Entity::find()
            .select_only()
            .column(callback_outcome_row::Column::Callback)
            .filter(callback_outcome_row::Column::Outcome.eq(Outcome::Receipts))
            .filter(callback_outcome_row::Column::Detail.is_null())
            .filter(
                callback_outcome_row::Column::Callback.not_in_subquery(
                    Query::select()
                        .column(receipt_row::Column::Source)
                        .from(receipt_row::Entity)
                        .to_owned(),
                ),
            )
            .limit(limit)
            .into_tuple()
            .all(&self.transaction)
            .await?;
        found.extend(silent.into_iter().map(|callback| {
            discrepancy(format!(
                "callback {callback} counts as `receipts` and no fact of it is there"
            ))
        }));
        Ok(found)
    }
}

/// In which columns a row is not what its facts say.
fn compare(stored: &message_row::Model, derived: &message_row::Model) -> Option<Discrepancy> {
    if stored == derived {
        return None;
    }
    if stored.state != derived.state {
        return Some(discrepancy(format!(
            "message {} is stored as {}; its facts say {}",
            stored.id, stored.state, derived.state
        )));
    }
    let columns = [
        ("queue", stored.queue != derived.queue),
        ("conflict", stored.conflict != derived.conflict),
        ("due_at", stored.due_at != derived.due_at),
        ("submitted_at", stored.submitted_at != derived.submitted_at),
        ("sent_at", stored.sent_at != derived.sent_at),
        ("delivered_at", stored.delivered_at != derived.delivered_at),
        ("read_at", stored.read_at != derived.read_at),
        ("played_at", stored.played_at != derived.played_at),
        ("failed_at", stored.failed_at != derived.failed_at),
        ("failure_code", stored.failure_code != derived.failure_code),
        ("provider_id", stored.provider_id != derived.provider_id),
    ];
    let wrong: Vec<&str> = columns
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(name, _)| name)
        .collect();
    let names = if wrong.is_empty() {
        "failure words, pricing or class".to_owned()
    } else {
        wrong.join(", ")
    };
    Some(discrepancy(format!(
        "message {}: {names} are not what its facts and ids say",
        stored.id
    )))
}
