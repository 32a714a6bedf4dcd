//! How a purge runs: one at a time, in small batches beside everything else, to its end; and the partitions of PostgreSQL's journal.

use std::collections::BTreeSet;

use bluetick::domain::callback_record::CallbackRecord;
use bluetick::domain::ids::CallbackId;
use bluetick::journal::{Journal, PURGE_BATCH_ROWS, PurgeLimit};
use bluetick::operating::rebuild::{RebuildError, rebuild};
use bluetick::operating::retention::{PurgeError, StepResult};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use migration::{JournalMigrator, MigratorTrait};
use uuid::Uuid;

use crate::harness::app::{App, noon, start_app};
use crate::harness::callback_records::callback_record;
use crate::harness::database::TestDatabase;
use crate::rebuilding::{live, start_chaos};
use crate::retention::{
    CALLBACKS_GONE, MESSAGES_GONE, count_expired, journalled, nothing_disagrees, purge,
};

async fn append(journal: &Journal, record: CallbackRecord) {
    let room = journal.reserve(record.body.len()).await.unwrap();
    journal.append(record, room).await.unwrap();
}

/// Appends so many callbacks of an instant and returns their ids.
async fn fill(
    journal: &Journal,
    number: usize,
    at: DateTime<Utc>,
    size: usize,
) -> BTreeSet<CallbackId> {
    let records: Vec<_> = (0..number)
        .map(|_| callback_record(at, &vec![b'x'; size]))
        .collect();
    let ids = records.iter().map(|record| record.id).collect();
    join_all(records.into_iter().map(|record| append(journal, record))).await;
    ids
}

async fn ids(journal: &Journal) -> BTreeSet<CallbackId> {
    let places = journal.list_positions(0, 1_000_000).await.unwrap();
    places.iter().map(|place| place.id).collect()
}

/// Takes everything out that may leave.
async fn empty(journal: &Journal, leave: &PurgeLimit) -> u64 {
    let mut rows = 0;
    while let Some(batch) = journal.next_purge_batch(leave, None).await.unwrap() {
        rows += journal.purge(leave, &batch).await.unwrap().unwrap();
    }
    rows
}

/// The partitions of PostgreSQL's journal.
async fn partitions(database: &TestDatabase) -> Vec<String> {
    let sql = "SELECT CAST(inhrelid::regclass AS TEXT) AS line FROM pg_inherits \
               WHERE inhparent = 'journal'::regclass AND inhrelid::regclass::text LIKE 'journal_%' ORDER BY 1";
    database.query(sql).await
}

#[actix_web::test]
async fn one_process_purges_at_a_time_and_none_during_a_rebuild() {
    let app = start_chaos(2).await;
    live(&app).await;
    app.advance(CALLBACKS_GONE);
    let (store, retention) = (&app.services.store, &app.services.retention);
    let (other, minute) = (Uuid::from_u128(7), TimeDelta::seconds(60));
    assert!(
        store
            .claim_lease("retention", other, app.now(), minute)
            .await
            .unwrap()
    );
    assert_eq!(
        retention.step().await.unwrap(),
        StepResult::LeaseHeldElsewhere
    );
    let refused = retention.purge(&mut |_| {}).await.unwrap_err();
    assert!(matches!(refused, PurgeError::Busy), "{refused}");
    let refused = rebuild(&app.services, &mut |_| {}).await.unwrap_err();
    assert!(matches!(refused, RebuildError::PurgeRunning), "{refused}");
    store.release_lease("retention", other).await.unwrap();

    let number = journalled(&app).await;
    store.announce_rebuild().await.unwrap();
    assert_eq!(retention.step().await.unwrap(), StepResult::Rebuilding);
    let refused = retention.purge(&mut |_| {}).await.unwrap_err();
    assert!(matches!(refused, PurgeError::Rebuilding), "{refused}");
    assert_eq!(journalled(&app).await, number);
    app.run_jobs_until_idle().await;
    assert_eq!(retention.step().await.unwrap(), StepResult::Done);
    assert_eq!(journalled(&app).await, 0);
    app.finish().await;
}

#[actix_web::test]
async fn an_interrupted_purge_continues_where_it_ended() {
    let app = start_chaos(4).await;
    live(&app).await;
    app.advance(MESSAGES_GONE);
    let expected = count_expired(&app).await;
    let (store, journal) = (&app.services.store, &app.services.journal);
    let cutoffs = app.services.retention.cutoffs();
    let leave = PurgeLimit {
        position: store.position().await.unwrap(),
        received_before: cutoffs.callbacks,
    };
    let batch = journal
        .next_purge_batch(&leave, None)
        .await
        .unwrap()
        .unwrap();
    journal.purge(&leave, &batch).await.unwrap().unwrap();
    nothing_disagrees(&app).await;
    empty(journal, &leave).await;
    let past = bluetick::store::purge_messages::PurgeableMessages {
        created_before: cutoffs.messages,
        first_callback: None,
    };
    let batch = store
        .purge_messages(&past, None, app.now())
        .await
        .unwrap()
        .unwrap();
    assert!(batch.rows["messages"] < expected["messages"], "in portions");
    assert!(batch.rows.values().sum::<u64>() <= 400, "{batch:?}");

    let app = app.restart().await;
    nothing_disagrees(&app).await;
    let rest = purge(&app).await.rows;
    let gone = |table: &str| rest[table] + batch.rows.get(table).copied().unwrap_or_default();
    for table in ["messages", "receipts", "attempts", "provider_ids"] {
        assert_eq!(gone(table), expected[table], "{table}");
    }
    assert_eq!(rest["callback_outcomes"], expected["callback_outcomes"]);
    nothing_disagrees(&app).await;
    app.stop().await;
}

#[actix_web::test]
async fn a_purge_batch_is_small_and_ends_before_a_younger_callback() {
    let database = TestDatabase::new().await;
    if database.is_postgres() {
        return;
    }
    let journal = Journal::open(database.journal().await).await.unwrap();
    fill(&journal, 600, noon(), 10).await;
    fill(&journal, 3, noon() + TimeDelta::days(2), 10).await;
    // Out of a spool that was found late.
    fill(&journal, 3, noon(), 10).await;
    let leave = PurgeLimit {
        position: journal.end().await.unwrap(),
        received_before: noon() + TimeDelta::days(1),
    };
    let batch = journal
        .next_purge_batch(&leave, None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(batch.rows, PURGE_BATCH_ROWS);
    let next = journal
        .next_purge_batch(&leave, Some(&batch))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(next.rows, PURGE_BATCH_ROWS);
    assert_eq!(empty(&journal, &leave).await, 600);
    assert_eq!(ids(&journal).await.len(), 6, "no holes");
    // Large bodies make it smaller still.
    let later = noon() + TimeDelta::days(3);
    fill(&journal, 10, later, 1024 * 1024).await;
    let leave = PurgeLimit {
        position: journal.end().await.unwrap(),
        received_before: later + TimeDelta::days(1),
    };
    let first = journal
        .next_purge_batch(&leave, None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(first.rows, 6 + 3);
}

#[actix_web::test]
async fn a_purge_beside_live_ingest_loses_nothing() {
    let database = TestDatabase::new().await;
    let journal = Journal::open(database.journal().await).await.unwrap();
    fill(&journal, 3000, noon(), 100).await;
    let leave = PurgeLimit {
        position: journal.end().await.unwrap(),
        received_before: noon() + TimeDelta::days(1),
    };
    let live = async {
        let mut kept = BTreeSet::new();
        for hour in 0..40 {
            let at = noon() + TimeDelta::days(2) + TimeDelta::hours(hour);
            kept.extend(fill(&journal, 50, at, 100).await);
        }
        kept
    };
    let (gone, kept) = tokio::join!(empty(&journal, &leave), live);
    assert_eq!(gone, 3000);
    assert_eq!(ids(&journal).await, kept);
}

#[actix_web::test]
async fn a_purge_returns_free_pages_of_the_files() {
    let app = start_app().await;
    if app.database.is_postgres() {
        return app.finish().await;
    }
    fill(&app.services.journal, 1500, noon(), 4096).await;
    app.run_jobs_until_idle().await;
    assert_eq!(journalled(&app).await, 1500);
    let sizes = |app: &App| {
        ["journal.db", "bluetick.db"].map(|name| {
            let file = app.database.folder().join(name);
            file.metadata().unwrap().len()
        })
    };
    let app = app.restart().await;
    let [journal, main] = sizes(&app);
    app.advance(MESSAGES_GONE);
    purge(&app).await;
    let [journal_after, main_after] = sizes(&app);
    assert!(journal > 6_000_000, "{journal}");
    assert!(journal_after < 300_000, "{journal_after}");
    assert!(main_after < main, "{main} {main_after}");
    app.stop().await;
}

#[actix_web::test]
async fn on_postgres_partitions_are_created_ahead_and_dropped_once_processed() {
    let database = TestDatabase::new().await;
    if !database.is_postgres() {
        return;
    }
    let journal = Journal::open(database.journal().await).await.unwrap();
    let day = |number: i64| noon() + TimeDelta::days(number);
    // This day has no partition: the default one takes it, and gives it back.
    let early = fill(&journal, 3, day(1), 10).await;
    assert_eq!(partitions(&database).await, ["journal_default"]);
    let tries = join_all((0..3).map(|_| journal.create_day_partitions(day(0)))).await;
    for tried in tries {
        tried.unwrap();
    }
    let names = partitions(&database).await;
    let expected = [
        "20261119", "20261120", "20261121", "20261122", "20261123", "default",
    ];
    assert_eq!(names, expected.map(|name| format!("journal_{name}")));
    assert_eq!(
        database
            .query("SELECT CAST(count(*) AS TEXT) AS line FROM journal_default")
            .await,
        ["0"]
    );
    assert_eq!(ids(&journal).await, early);

    let second = fill(&journal, 4, day(2), 10).await;
    let read = journal.end().await.unwrap();
    let third = fill(&journal, 5, day(3), 10).await;
    let mut leave = PurgeLimit {
        position: read,
        received_before: day(200),
    };
    // A stray that was not read holds everything back: nothing older than what leaves may stay.
    let stray = fill(&journal, 1, day(-30), 10).await;
    assert_eq!(empty(&journal, &leave).await, 0);
    leave.position = journal.end().await.unwrap();
    let again = PurgeLimit {
        position: read + 5,
        ..leave
    };
    assert_eq!(empty(&journal, &again).await, 0);
    assert_eq!(
        empty(
            &journal,
            &PurgeLimit {
                received_before: day(2),
                ..leave
            }
        )
        .await,
        1 + 3
    );
    assert_eq!(
        partitions(&database).await,
        expected[3..]
            .iter()
            .map(|name| format!("journal_{name}"))
            .collect::<Vec<_>>()
    );
    assert!(ids(&journal).await.is_disjoint(&stray));
    assert_eq!(ids(&journal).await.len(), second.len() + third.len());
    // The same id twice is one callback, whatever its day.
    let twice = callback_record(day(2), b"x");
    append(&journal, twice.clone()).await;
    append(&journal, twice.clone()).await;
    assert_eq!(ids(&journal).await.len(), second.len() + third.len() + 1);
    assert!(journal.find(twice.id).await.unwrap().is_some());
}

#[actix_web::test]
async fn callbacks_from_an_old_spool_are_processed_in_order() {
    let database = TestDatabase::new().await;
    let journal = Journal::open(database.journal().await).await.unwrap();
    let mut position = 0;
    for day in [0, 40, -30, 40, 41, 0, -90] {
        let at = noon() + TimeDelta::days(day);
        journal.create_day_partitions(at).await.unwrap();
        // A number drawn for nothing, too: this one is there already.
        let twice = callback_record(at, b"x");
        append(&journal, twice.clone()).await;
        append(&journal, twice).await;
        for size in [3, 1] {
            let ids = fill(&journal, size, at, 10).await;
            let read = journal.read_after(position, 100, u64::MAX).await.unwrap();
            assert!(read.is_sorted_by(|earlier, later| earlier.seq < later.seq));
            let found: BTreeSet<_> = read.iter().map(|entry| entry.record.id).collect();
            assert!(found.is_superset(&ids), "day {day}");
            position = read.last().unwrap().seq;
        }
        assert!(
            journal
                .read_after(position, 100, u64::MAX)
                .await
                .unwrap()
                .is_empty()
        );
    }
    assert_eq!(ids(&journal).await.len(), 7 * 5);
}

#[actix_web::test]
async fn an_unpartitioned_journal_is_partitioned_and_merged_again() {
    let database = TestDatabase::new().await;
    let pools = database.unmigrated_journal().await;
    JournalMigrator::up(pools.writer(), Some(1)).await.unwrap();
    let journal = Journal::open(pools.clone()).await.unwrap();
    let mut all = BTreeSet::new();
    for day in [0, 1, 1, 40] {
        all.extend(fill(&journal, 5, noon() + TimeDelta::days(day), 10).await);
    }
    let before = journal.read_after(0, 100, u64::MAX).await.unwrap();
    JournalMigrator::up(pools.writer(), None).await.unwrap();
    assert_eq!(journal.read_after(0, 100, u64::MAX).await.unwrap(), before);
    if database.is_postgres() {
        assert_eq!(partitions(&database).await.len(), 4);
    }
    all.extend(fill(&journal, 5, noon(), 10).await);
    JournalMigrator::down(pools.writer(), Some(1))
        .await
        .unwrap();
    assert_eq!(ids(&journal).await, all);
    all.extend(fill(&journal, 5, noon(), 10).await);
    JournalMigrator::up(pools.writer(), None).await.unwrap();
    assert_eq!(ids(&journal).await, all);
    let seqs = journal.list_positions(0, 100).await.unwrap();
    assert!(seqs.is_sorted_by(|earlier, later| earlier.seq < later.seq));
}
