//! The journal keeps what it acknowledged, in an order that readers can follow.

use std::collections::BTreeSet;

use bluetick::db::Error;
use bluetick::domain::callback_record::{Authenticity, CallbackRecord, JournalEntry, Route};
use bluetick::domain::ids::{CallbackId, MessageId};
use bluetick::journal::{self, Journal, JournalFilter};
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use migration::{JournalMigrator, MainMigrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::callback_batches::{BACKLOG, append_backlog, apply_all_callbacks};
use crate::harness::app::start_app;
use crate::harness::database::TestDatabase;

/// A query that the poisoned tables of these tests refuse.
const POISON: &str = "poison";

fn noon() -> DateTime<Utc> {
    "2026-11-20T12:00:00.123Z".parse().unwrap()
}

fn record(account: &str, body: &[u8]) -> CallbackRecord {
    CallbackRecord {
        id: CallbackId::new(noon()),
        account: account.parse().unwrap(),
        route: Route::Callback,
        method: "POST".to_owned(),
        query: "a=%2B&b".to_owned(),
        headers: vec![
            ("content-type".to_owned(), "text/\"odd\"; é".to_owned()),
            ("x-twice".to_owned(), "1".to_owned()),
            ("x-twice".to_owned(), "2".to_owned()),
        ],
        remote: Some("192.0.2.7".to_owned()),
        received_at: noon(),
        body: body.to_vec(),
        authenticity: Authenticity::Verified,
    }
}

async fn append(journal: &Journal, record: CallbackRecord) -> Result<(), Error> {
    let room = journal.reserve(record.body.len()).await?;
    journal.append(record, room).await
}

async fn read_all(journal: &Journal) -> Vec<JournalEntry> {
    journal.read_after(0, 10_000, u64::MAX).await.unwrap()
}

#[actix_web::test]
async fn a_record_comes_back_as_it_was_appended() {
    let database = TestDatabase::new().await;
    let journal = Journal::open(database.journal().await).await.unwrap();
    let plain = record("shop", b"\xff\x00not utf-8\xfe");
    let report = CallbackRecord {
        route: Route::Report(MessageId::new(noon())),
        remote: None,
        authenticity: Authenticity::Unverified {
            reason: "no signature".to_owned(),
        },
        ..record("shop", b"")
    };
    append(&journal, plain.clone()).await.unwrap();
    append(&journal, report.clone()).await.unwrap();

    let entries = read_all(&journal).await;
    let kept: Vec<_> = entries.iter().map(|entry| entry.record.clone()).collect();
    assert_eq!(kept, [plain.clone(), report]);
    let found = journal.find(plain.id).await.unwrap().unwrap();
    assert_eq!(found, entries[0]);
    assert!(
        journal
            .find(CallbackId::new(noon()))
            .await
            .unwrap()
            .is_none()
    );
}

#[actix_web::test]
async fn the_same_id_is_kept_once() {
    let database = TestDatabase::new().await;
    let journal = Journal::open(database.journal().await).await.unwrap();
    let twice = record("shop", b"once");
    let both = join_all([
        append(&journal, twice.clone()),
        append(&journal, twice.clone()),
    ])
    .await;
    assert!(both.iter().all(Result::is_ok));
    append(&journal, twice).await.unwrap();
    assert_eq!(read_all(&journal).await.len(), 1);
}

#[actix_web::test]
async fn batches_of_every_size_are_kept_whole_and_survive_reopening() {
    let database = TestDatabase::new().await;
    let journal = Journal::open(database.journal().await).await.unwrap();
    let mut acknowledged = BTreeSet::new();
    let mut woken = journal.appended();
    for size in [1, 2, 3, 5, 64, 100, 511, 512, 700] {
        let records: Vec<_> = (0..size)
            .map(|number| record("shop", format!("body {number}").as_bytes()))
            .collect();
        acknowledged.extend(records.iter().map(|record| record.id));
        let answers = join_all(records.into_iter().map(|record| append(&journal, record))).await;
        assert!(answers.iter().all(Result::is_ok));
    }
    assert!(woken.has_changed().unwrap());
    woken.mark_unchanged();
    let identity = journal.identity();
    journal.stop().await;

    let reopened = Journal::open(database.unmigrated_journal().await)
        .await
        .unwrap();
    let entries = read_all(&reopened).await;
    let kept: BTreeSet<_> = entries.iter().map(|entry| entry.record.id).collect();
    assert_eq!(kept, acknowledged);
    assert_eq!(entries.len(), acknowledged.len());
    assert!(entries.is_sorted_by(|earlier, later| earlier.seq < later.seq));
    assert_eq!(reopened.identity(), identity);
    assert!(reopened.end().await.unwrap() >= entries.last().unwrap().seq);
}

#[actix_web::test]
async fn positions_increase_across_alternating_writers() {
    let database = TestDatabase::new().await;
    let pools = database.journal().await;
    let writers = join_all((0..2).map(|_| Journal::open(pools.clone()))).await;
    let mut last = 0;
    for round in 0..20 {
        let journal = writers[round % 2].as_ref().unwrap();
        append(journal, record("shop", b"x")).await.unwrap();
        let new = journal.read_after(last, 10, u64::MAX).await.unwrap();
        assert_eq!(new.len(), 1);
        last = new[0].seq;
    }
    assert_eq!(writers[0].as_ref().unwrap().end().await.unwrap(), last);
}

#[actix_web::test]
async fn a_record_that_the_database_refuses_fails_alone() {
    let database = TestDatabase::new().await;
    let pools = database.journal().await;
    let trap = if database.is_postgres() {
        format!("ALTER TABLE journal ADD CONSTRAINT trap CHECK (query <> '{POISON}')")
    } else {
        format!(
            "CREATE TRIGGER trap BEFORE INSERT ON journal WHEN NEW.query = '{POISON}' \
             BEGIN SELECT RAISE(ABORT, 'trap'); END"
        )
    };
    pools.writer().execute_unprepared(&trap).await.unwrap();
    let journal = Journal::open(pools).await.unwrap();
    let mut records: Vec<_> = (0..100).map(|_| record("shop", b"x")).collect();
    records[37].query = POISON.to_owned();
    records[99].query = POISON.to_owned();
    let healthy: BTreeSet<_> = records
        .iter()
        .filter(|record| record.query != POISON)
        .map(|record| record.id)
        .collect();

    let answers = join_all(records.into_iter().map(|record| append(&journal, record))).await;
    let refused: Vec<_> = answers
        .iter()
        .enumerate()
        .filter(|(_, answer)| answer.is_err())
        .map(|(position, _)| position)
        .collect();
    assert_eq!(refused, [37, 99]);
    append(&journal, record("shop", b"afterwards"))
        .await
        .unwrap();
    let kept: BTreeSet<_> = read_all(&journal)
        .await
        .iter()
        .map(|entry| entry.record.id)
        .collect();
    assert!(kept.is_superset(&healthy));
    assert_eq!(kept.len(), healthy.len() + 1);
}

#[actix_web::test]
async fn reading_is_bounded_by_rows_and_by_bytes() {
    let database = TestDatabase::new().await;
    let journal = Journal::open(database.journal().await).await.unwrap();
    for size in [10, 10, 100, 10] {
        append(&journal, record("shop", &vec![b'x'; size]))
            .await
            .unwrap();
    }
    let sizes = |entries: Vec<JournalEntry>| -> Vec<usize> {
        entries
            .iter()
            .map(|entry| entry.record.body.len())
            .collect()
    };
    let first = journal.read_after(0, 10, 25).await.unwrap();
    let second_place = first[1].seq;
    assert_eq!(sizes(first), [10, 10]);
    let large = journal.read_after(second_place, 10, 25).await.unwrap();
    assert_eq!(sizes(large), [100]);
    let limited = journal.read_after(0, 3, u64::MAX).await.unwrap();
    assert_eq!(sizes(limited), [10, 10, 100]);
    let end = journal.end().await.unwrap();
    assert!(
        journal
            .read_after(end, 10, u64::MAX)
            .await
            .unwrap()
            .is_empty()
    );
}

#[actix_web::test]
async fn lists_are_newest_first_in_pages_and_by_account() {
    let database = TestDatabase::new().await;
    let journal = Journal::open(database.journal().await).await.unwrap();
    assert_eq!(journal.end().await.unwrap(), 0);
    let mut ids = Vec::new();
    for account in ["shop", "bank", "shop", "shop"] {
        let record = record(account, b"12345");
        ids.push(record.id);
        append(&journal, record).await.unwrap();
    }
    let of_shop = JournalFilter {
        account: Some("shop".parse().unwrap()),
        ..JournalFilter::default()
    };
    let page = journal.list(&of_shop, None, 2).await.unwrap();
    assert_eq!([page[0].id, page[1].id], [ids[3], ids[2]]);
    assert_eq!(page[0].size, 5);
    let rest = journal.list(&of_shop, Some(page[1].seq), 2).await.unwrap();
    assert_eq!(rest.iter().map(|row| row.id).collect::<Vec<_>>(), [ids[0]]);
    let chosen = JournalFilter {
        ids: Some(vec![ids[1], ids[2]]),
        ..JournalFilter::default()
    };
    let page = journal.list(&chosen, None, 10).await.unwrap();
    assert_eq!(
        page.iter().map(|row| row.id).collect::<Vec<_>>(),
        [ids[2], ids[1]]
    );
}

#[actix_web::test]
async fn places_are_never_given_twice_even_when_the_table_was_emptied() {
    let database = TestDatabase::new().await;
    let pools = database.journal().await;
    let journal = Journal::open(pools.clone()).await.unwrap();
    append(&journal, record("shop", b"x")).await.unwrap();
    let before = journal.end().await.unwrap();
    pools
        .writer()
        .execute_unprepared("DELETE FROM journal")
        .await
        .unwrap();
    assert_eq!(journal.end().await.unwrap(), before);
    append(&journal, record("shop", b"y")).await.unwrap();
    assert!(read_all(&journal).await[0].seq > before);
}

#[actix_web::test]
async fn stopping_writes_what_waits_and_takes_nothing_more() {
    let database = TestDatabase::new().await;
    let journal = Journal::open(database.journal().await).await.unwrap();
    let waiting = join_all((0..50).map(|_| append(&journal, record("shop", b"x"))));
    let (answers, ()) = tokio::join!(waiting, journal.stop());
    let kept = read_all(&journal).await.len();
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), kept);
    let late = append(&journal, record("shop", b"late")).await;
    assert!(matches!(late, Err(Error::Stopped(_))));
    assert_eq!(read_all(&journal).await.len(), kept);
}

#[actix_web::test]
async fn a_record_is_written_even_when_no_caller_waits_for_the_answer() {
    let database = TestDatabase::new().await;
    let journal = Journal::open(database.journal().await).await.unwrap();
    let left = record("shop", b"left alone");
    let id = left.id;
    {
        let appending = append(&journal, left);
        tokio::pin!(appending);
        // One poll puts it into the channel.
        assert!(futures_util::poll!(&mut appending).is_pending());
    }
    journal.stop().await;
    assert!(journal.find(id).await.unwrap().is_some());
}

#[actix_web::test]
async fn bodies_in_flight_are_bounded() {
    const HALF: usize = 128 * 1024 * 1024;
    let database = TestDatabase::new().await;
    let journal = Journal::open(database.journal().await).await.unwrap();
    let mut first = journal.reserve(HALF).await.unwrap();
    let mut second = Box::pin(journal.reserve(HALF));
    assert!(futures_util::poll!(&mut second).is_pending());
    // A body in chunks could have been large and is not.
    first.shrink_to(1);
    assert!(second.await.is_ok());
}

#[actix_web::test]
async fn a_lock_held_elsewhere_is_an_error_that_may_pass() {
    let database = TestDatabase::new().await;
    if database.is_postgres() {
        return;
    }
    let pools = database.journal().await;
    let other = database.unmigrated_journal().await;
    let journal = Journal::open(pools).await.unwrap();
    let held = other.begin().await.unwrap();
    let refused = append(&journal, record("shop", b"x")).await.unwrap_err();
    assert!(refused.is_transient());
    held.rollback().await.unwrap();
    append(&journal, record("shop", b"x")).await.unwrap();
}

#[actix_web::test]
async fn files_are_readable_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let database = TestDatabase::new().await;
    if database.is_postgres() {
        return;
    }
    let journal = Journal::open(database.journal().await).await.unwrap();
    append(&journal, record("shop", b"x")).await.unwrap();
    let mut names = BTreeSet::new();
    for file in std::fs::read_dir(database.folder()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.path().display());
        names.insert(file.file_name().into_string().unwrap());
    }
    assert!(names.contains("journal.db") && names.contains("journal.db-wal"));
}

#[actix_web::test]
async fn the_journal_migrates_up_down_and_up_again() {
    let database = TestDatabase::new().await;
    let pools = database.unmigrated_journal().await;
    assert!(Journal::open(pools.clone()).await.is_err());
    JournalMigrator::up(pools.writer(), None).await.unwrap();
    JournalMigrator::down(pools.writer(), None).await.unwrap();
    assert!(Journal::open(pools.clone()).await.is_err());
    JournalMigrator::up(pools.writer(), None).await.unwrap();
    let journal = Journal::open(pools).await.unwrap();
    append(&journal, record("shop", b"x")).await.unwrap();
    assert_eq!(read_all(&journal).await.len(), 1);
}

#[actix_web::test]
async fn the_main_database_migrates_up_down_and_up_again() {
    let database = TestDatabase::new().await;
    let pools = database.unmigrated_journal().await;
    MainMigrator::up(pools.writer(), None).await.unwrap();
    MainMigrator::down(pools.writer(), Some(1)).await.unwrap();
    MainMigrator::up(pools.writer(), None).await.unwrap();
    MainMigrator::down(pools.writer(), None).await.unwrap();
    MainMigrator::up(pools.writer(), None).await.unwrap();
}

#[actix_web::test]
async fn journal_and_main_database_live_side_by_side() {
    let database = TestDatabase::new().await;
    let (journal, main) = (database.journal().await, database.main().await);
    journal::migrate(&journal).await.unwrap();
    main.migrate().await.unwrap();
    assert!(Journal::open(journal).await.is_ok());
    assert!(main.list_accounts().await.unwrap().is_empty());
}

#[actix_web::test]
async fn the_file_uses_incremental_auto_vacuum() {
    let database = TestDatabase::new().await;
    if database.is_postgres() {
        return;
    }
    drop(database.journal().await);
    let pools = database.unmigrated_journal().await;
    let mode = pools
        .writer()
        .query_one_raw(Statement::from_string(
            DbBackend::Sqlite,
            "PRAGMA auto_vacuum",
        ))
        .await
        .unwrap();
    let incremental: i32 = mode.unwrap().try_get_by_index(0).unwrap();
    assert_eq!(incremental, 2);
}

#[actix_web::test]
async fn callbacks_processed_during_startup_are_not_a_journal_mismatch() {
    let app = start_app().await;
    let (store, journal) = (&app.services.store, &app.services.journal);
    let position = store.position().await.unwrap();
    let state = journal.state().await.unwrap();
    append_backlog(&app).await;
    assert_eq!(apply_all_callbacks(&app).await, BACKLOG);
    assert!(store.position().await.unwrap() > state.end);
    store.check_journal(position, &state).await.unwrap();
    app.finish().await;
}
