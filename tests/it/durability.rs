//! Whatever happens to the database or to the process: what was acknowledged is in the journal in the end, once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bluetick::db::Error;
use bluetick::db::connect_options::MAIN_BUSY_TIMEOUT;
use bluetick::db::disk::Reserve;
use bluetick::domain::callback_record::CallbackRecord;
use bluetick::domain::clock::{Clock, SystemClock};
use bluetick::domain::scope::{Scope, Scopes};
use bluetick::domain::secret::Secret;
use bluetick::journal::Journal;
use bluetick::journal::spool::{SpoolLimits, SpoolSettings};
use bluetick::keys::Keys;
use bluetick::store::api_tokens::TokenCreation;
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::harness::callback_records::callback_record;
use crate::harness::database::TestDatabase;
use crate::harness::program::{Program, command};
use crate::harness::waiting;

/// Only a post that waits for the lock takes longer: the lock is held until the posts are done.
const AT_ONCE: Duration = Duration::from_secs(30);
const CONNECTIONS: usize = 64;
/// In turn, they would wait longer for a lock than each may.
const CALLERS: usize = 6;
const SECRET_KEY: &str = "a secret key of more than 32 bytes";

fn noon() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn record(body: &[u8]) -> CallbackRecord {
    CallbackRecord {
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        ..callback_record(noon(), body)
    }
}

fn records(count: usize) -> Vec<CallbackRecord> {
    (0..count)
        .map(|number| record(format!("body {number}").as_bytes()))
        .collect()
}

async fn open(database: &TestDatabase, folder: &Path) -> Journal {
    let settings = SpoolSettings::in_folder(folder);
    let pools = database.journal().await;
    Journal::open_with_spool(pools, settings).await.unwrap()
}

async fn append(journal: &Journal, record: CallbackRecord) -> Result<(), Error> {
    let room = journal.reserve(record.body.len()).await?;
    journal.append(record, room).await
}

async fn append_all(journal: &Journal, records: &[CallbackRecord]) {
    let appended = records.iter().map(|record| append(journal, record.clone()));
    for result in join_all(appended).await {
        result.unwrap();
    }
}

/// Waits until nothing is left in the spool.
async fn drained(journal: &Journal) {
    let mut spool = journal.spool();
    spool
        .wait_for(|spool| spool.depth == 0 && !spool.in_use)
        .await
        .unwrap();
}

/// The bodies in the journal, in order.
async fn bodies(journal: &Journal) -> Vec<String> {
    let entries = journal.read_after(0, 100_000, u64::MAX).await.unwrap();
    let bodies = entries.into_iter().map(|entry| entry.record.body);
    bodies
        .map(|body| String::from_utf8(body).unwrap())
        .collect()
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap();
    files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect()
}

#[actix_web::test]
async fn a_lock_held_elsewhere_delays_no_answer_and_costs_no_callback() {
    let database = TestDatabase::new().await;
    let journal = open(&database, database.folder()).await;
    let lock = database.hold_journal().await;
    let records = records(1_000);
    for some in records.chunks(CONNECTIONS) {
        let begun = Instant::now();
        append_all(&journal, some).await;
        assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    }
    let standing = *journal.spool().borrow();
    assert!(standing.in_use && standing.depth == 1_000, "{standing:?}");
    lock.release().await;
    drained(&journal).await;

    let kept: BTreeSet<_> = bodies(&journal).await.into_iter().collect();
    assert_eq!(kept.len(), 1_000);
    assert_eq!(
        bodies(&journal).await.len(),
        1_000,
        "something is there twice"
    );
    let standing = *journal.spool().borrow();
    assert_eq!((standing.spooled, standing.drained), (1_000, 1_000));
    assert_eq!(standing.bytes, 0);
    append_all(&journal, &records[..1]).await;
    append_all(&journal, &[record(b"afterwards")]).await;
    // A disk that is slow for a moment sends them to the spool.
    drained(&journal).await;
    assert_eq!(bodies(&journal).await.len(), 1_001);
    journal.stop().await;
    assert!(files(database.folder(), "spool").is_empty());
}

#[actix_web::test]
async fn a_spool_that_is_drained_twice_adds_nothing() {
    let database = TestDatabase::new().await;
    let journal = open(&database, database.folder()).await;
    let lock = database.hold_journal().await;
    append_all(&journal, &records(100)).await;
    let spool = files(database.folder(), "spool").remove(0);
    std::fs::copy(&spool, database.folder().join("copy.spool")).unwrap();
    lock.release().await;
    let mut standing = journal.spool();
    standing
        .wait_for(|spool| spool.drained == 200 && spool.depth == 0)
        .await
        .unwrap();
    assert_eq!(bodies(&journal).await.len(), 100);
    append_all(&journal, &records(1)).await;
    assert!(!database.folder().join("copy.spool").exists());
}

#[actix_web::test]
async fn another_process_drains_the_spool_of_a_stopped_one() {
    let database = TestDatabase::new().await;
    let (one, other) = tokio::join!(
        open(&database, database.folder()),
        open(&database, database.folder())
    );
    assert_eq!(files(database.folder(), "spool").len(), 2);
    let lock = database.hold_journal().await;
    append_all(&one, &records(10)).await;
    append_all(&other, &[record(b"of the other")]).await;
    one.stop().await;
    assert_eq!(files(database.folder(), "spool").len(), 2);
    lock.release().await;
    let mut standing = other.spool();
    standing
        .wait_for(|spool| spool.drained == 11 && spool.depth == 0)
        .await
        .unwrap();
    assert_eq!(bodies(&other).await.len(), 11);
    other.stop().await;
    assert!(files(database.folder(), "spool").is_empty());
}

#[actix_web::test]
async fn the_end_drains_what_the_journal_takes() {
    let database = TestDatabase::new().await;
    let journal = open(&database, database.folder()).await;
    let lock = database.hold_journal().await;
    append_all(&journal, &records(50)).await;
    lock.release().await;
    journal.stop().await;
    assert_eq!(bodies(&journal).await.len(), 50);
    assert!(files(database.folder(), "spool").is_empty());
}

#[actix_web::test]
async fn a_journal_that_is_locked_from_the_start_takes_callbacks_all_the_same() {
    let database = TestDatabase::new().await;
    if database.is_postgres() {
        // There a start waits for a running migration.
        return;
    }
    drop(database.journal().await);
    let lock = database.hold_journal().await;
    let journal = open(&database, database.folder()).await;
    append_all(&journal, &records(3)).await;
    lock.release().await;
    drained(&journal).await;
    assert_eq!(bodies(&journal).await, ["body 0", "body 1", "body 2"]);
}

#[actix_web::test]
async fn a_callback_that_the_journal_rejects_is_kept_and_stops_no_other() {
    let database = TestDatabase::new().await;
    let pools = database.journal().await;
    let trap = if database.is_postgres() {
        "ALTER TABLE journal ADD CONSTRAINT trap CHECK (query <> 'poison')"
    } else {
        "CREATE TRIGGER trap BEFORE INSERT ON journal WHEN NEW.query = 'poison' \
         BEGIN SELECT RAISE(ABORT, 'trap'); END"
    };
    pools.writer().execute_unprepared(trap).await.unwrap();
    let journal = open(&database, database.folder()).await;
    let mut records = records(100);
    records[37].query = "poison".to_owned();
    append_all(&journal, &records).await;
    let mut spool = journal.spool();
    let standing = *spool
        .wait_for(|spool| spool.set_aside == 1 && spool.depth == 0)
        .await
        .unwrap();
    assert!(!standing.in_use);
    assert_eq!(bodies(&journal).await.len(), 99);
    assert_eq!(files(database.folder(), "refused").len(), 1);
}

#[actix_web::test]
async fn only_when_the_spool_is_full_too_is_a_callback_refused() {
    let database = TestDatabase::new().await;
    let settings = SpoolSettings {
        folder: database.folder().to_owned(),
        limits: SpoolLimits {
            bytes: 10_000,
            reserve: Reserve::NONE,
        },
    };
    let pools = database.journal().await;
    let journal = Journal::open_with_spool(pools, settings).await.unwrap();
    let lock = database.hold_journal().await;
    append_all(&journal, &[record(&[b'x'; 6_000])]).await;
    let refused = append(&journal, record(&[b'y'; 6_000])).await.unwrap_err();
    assert!(refused.is_transient(), "{refused}");
    assert!(refused.to_string().contains("10000 bytes"), "{refused}");
    append_all(&journal, &[record(b"small")]).await;
    assert_eq!(journal.spool().borrow().failed, 1);
    lock.release().await;
    drained(&journal).await;
    append_all(&journal, &[record(&vec![b'z'; 20_000])]).await;
    assert_eq!(bodies(&journal).await.len(), 3);
}

#[actix_web::test]
async fn a_spool_that_cannot_be_written_stops_the_start() {
    let database = TestDatabase::new().await;
    let folder = database.folder().join("gone");
    let settings = SpoolSettings::in_folder(&folder);
    let pools = database.journal().await;
    let refused = Journal::open_with_spool(pools, settings).await.unwrap_err();
    let refused = refused.to_string();
    assert!(refused.starts_with(folder.to_str().unwrap()), "{refused}");
    assert!(!refused.contains('\n'), "{refused}");
}

/// The program itself, with one account `shop`.
fn start(database: &TestDatabase, log: &str) -> Program {
    let file = database.folder().join("bluetick.toml");
    let text = format!(
        "listen = \"127.0.0.1:0\"\ndata_dir = \"{}\"\ndatabase_url = \"{}\"\nsecret_key = \"{SECRET_KEY}\"\n\
         [[accounts]]\nid = \"shop\"\nprovider = \"sobot\"\napi_key = \"k\"\napi_secret = \"s\"\nsender = \"+919000000001\"\nmode = \"dry-run\"\n",
        database.folder().display(),
        database.url().expose(),
    );
    std::fs::write(&file, text).unwrap();
    let serve = command(&["serve", "--config", file.to_str().unwrap()], &[]);
    Program::start(serve, &database.folder().join(log))
}

fn callback_url(program: &Program) -> String {
    let keys = Keys::derive(&Secret::new(SECRET_KEY), &[]);
    let token = keys.callback_token(&"shop".parse().unwrap(), 1);
    format!("{}/callbacks/shop/{token}", program.address)
}

/// Posts from many connections until stopped or rejected; the bodies that were answered 200, and the longest wait.
async fn post(url: &str, numbers: &AtomicUsize, until: usize) -> (BTreeSet<String>, Duration) {
    let client = bluetick::http_client::builder().build().unwrap();
    let connection = async || {
        let (mut acknowledged, mut longest) = (BTreeSet::new(), Duration::ZERO);
        loop {
            let number = numbers.fetch_add(1, Ordering::Relaxed);
            if number >= until {
                return (acknowledged, longest);
            }
            let body = format!("callback {number}");
            let begun = Instant::now();
            let Ok(reply) = client.post(url).body(body.clone()).send().await else {
                return (acknowledged, longest);
            };
            assert_eq!(reply.status(), 200);
            longest = longest.max(begun.elapsed());
            acknowledged.insert(body);
        }
    };
    let all = join_all((0..CONNECTIONS).map(|_| connection())).await;
    all.into_iter()
        .fold((BTreeSet::new(), Duration::ZERO), |mut sum, one| {
            sum.0.extend(one.0);
            (sum.0, sum.1.max(one.1))
        })
}

#[actix_web::test]
async fn callbacks_in_the_spool_of_a_killed_process_are_in_the_journal_after_the_next_start() {
    let database = TestDatabase::new().await;
    let program = start(&database, "first.log");
    let url = callback_url(&program);
    let (numbers, mut acknowledged) = (AtomicUsize::new(0), BTreeSet::new());
    acknowledged.extend(post(&url, &numbers, 200).await.0);
    let lock = database.hold_journal().await;
    let (spooled, longest) = post(&url, &numbers, 600).await;
    assert!(longest < AT_ONCE, "{longest:?}");
    acknowledged.extend(spooled);
    // In the middle of the next ones.
    let killing = async {
        let are_sent = async || numbers.load(Ordering::Relaxed) >= 1_000;
        waiting::until("1,000 are being posted", are_sent).await;
        program.kill();
    };
    let ((more, _), ()) = tokio::join!(post(&url, &numbers, usize::MAX), killing);
    acknowledged.extend(more);
    lock.release().await;

    let next = start(&database, "next.log");
    next.wait_for_log("drained the spool file of an ended process")
        .await;
    let kept = bodies(&open(&database, database.folder()).await).await;
    let once: BTreeSet<_> = kept.iter().cloned().collect();
    assert_eq!(once.len(), kept.len(), "something is there twice");
    let lost: Vec<_> = acknowledged.difference(&once).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

/// A caller of the API of a program.
struct ApiCaller {
    client: Client,
    address: String,
    token: Secret,
}

impl ApiCaller {
    /// One whose token was never used.
    async fn new(database: &TestDatabase, program: &Program) -> Self {
        let store = database.main().await;
        let scopes = Scopes::new(&[Scope::Send, Scope::Read]);
        let created = store.create_token("t", &scopes, noon()).await.unwrap();
        let TokenCreation::Created(_, token) = created else {
            panic!("the name is taken");
        };
        Self {
            client: bluetick::http_client::builder().build().unwrap(),
            address: program.address.clone(),
            token,
        }
    }

    async fn send(&self) -> Response {
        self.client
            .post(format!("{}/api/v1/messages", self.address))
            .bearer_auth(self.token.expose())
            .json(&json!({
                "account": "shop", "to": "+919970123456", "name": "Asha", "kind": "image",
                "media": {"url": "https://media.example.com/a.jpg"}
            }))
            .send()
            .await
            .unwrap()
    }

    async fn get(&self, path: &str) -> String {
        let request = self.client.get(format!("{}{path}", self.address));
        let reply = request.bearer_auth(self.token.expose()).send().await;
        let reply = reply.unwrap();
        assert_eq!(reply.status(), 200, "{path}");
        reply.text().await.unwrap()
    }
}

/// How long work takes, and what it comes to.
async fn timed<T>(work: impl Future<Output = T>) -> (Duration, T) {
    let began = Instant::now();
    let done = work.await;
    (began.elapsed(), done)
}

#[actix_web::test]
async fn a_locked_main_database_answers_503_and_keeps_taking_callbacks() {
    let database = TestDatabase::new().await;
    if database.is_postgres() {
        return;
    }
    let program = start(&database, "log");
    let store = database.main().await;
    let caller = ApiCaller::new(&database, &program).await;
    assert_eq!(caller.send().await.status(), 202);

    let lock = database.hold_main().await;
    let url = callback_url(&program);
    let (refused, (acknowledged, longest)) = tokio::join!(caller.send(), async {
        post(&url, &AtomicUsize::new(0), 500).await
    });
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "1");
    let problem: serde_json::Value = refused.json().await.unwrap();
    assert_eq!(problem["code"], "unavailable");
    assert_eq!(acknowledged.len(), 500);
    assert!(longest < AT_ONCE, "{longest:?}");
    lock.release().await;
    assert_eq!(caller.send().await.status(), 202);
    let are_applied = async || store.position().await.unwrap() >= 500;
    waiting::until("all are applied", are_applied).await;
}

#[actix_web::test]
async fn a_send_waits_no_longer_for_a_locked_database_than_a_lock_is_waited_for() {
    let database = TestDatabase::new().await;
    if database.is_postgres() {
        return;
    }
    let program = start(&database, "log");
    let caller = ApiCaller::new(&database, &program).await;
    let lock = database.hold_main().await;
    // Who only reads does not wait at all, though the token's use is not noted yet.
    let (reading, _) = timed(caller.get("/api/v1/messages")).await;
    assert!(reading < Duration::from_secs(4), "{reading:?}");
    // The program's own loops wait for the same lock, and before these.
    for (took, refused) in join_all((0..CALLERS).map(|_| timed(caller.send()))).await {
        assert_eq!(refused.status(), 503);
        assert!(took < MAIN_BUSY_TIMEOUT * 4, "{took:?}");
    }
    let metrics = caller.get("/metrics").await;
    assert!(metrics.contains("bluetick_databases_up 0"), "{metrics}");
    let alarm = "bluetick_alarms{alarm=\"sends_refused\",account=\"\"} 1";
    assert!(metrics.contains(alarm), "{metrics}");
    let ready = caller.get("/readyz").await;
    assert!(ready.contains("cannot be written"), "{ready}");
    lock.release().await;
    assert_eq!(caller.send().await.status(), 202);
    let metrics = caller.get("/metrics").await;
    assert!(metrics.contains("bluetick_databases_up 1"), "{metrics}");
    assert_eq!(caller.get("/readyz").await, "ready");
}

#[actix_web::test]
async fn signing_in_under_a_lock_is_refused_in_time_and_leaves_the_link_unused() {
    let database = TestDatabase::new().await;
    if database.is_postgres() {
        return;
    }
    let program = start(&database, "log");
    let store = database.main().await;
    let mut links = Vec::new();
    for _ in 0..CALLERS {
        links.push(store.create_sign_in_link(SystemClock.now()).await.unwrap());
    }
    let client = bluetick::http_client::builder()
        .redirect(Policy::none())
        .build()
        .unwrap();
    let sign_in = async |link: &Secret| {
        let login = client
            .post(format!("{}/login", program.address))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("token={}", link.expose()));
        login.send().await.unwrap().status()
    };
    let lock = database.hold_main().await;
    // Each waits for the lock, and before that for those that came first.
    for (took, refused) in join_all(links.iter().map(|link| timed(sign_in(link)))).await {
        assert_eq!(refused, 503);
        assert!(took < MAIN_BUSY_TIMEOUT * 4, "{took:?}");
    }
    lock.release().await;
    for link in &links {
        assert_eq!(sign_in(link).await, 303);
    }
}

fn refused_start(data_dir: &Path, database_url: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bluetick.toml");
    let text = format!(
        "listen = \"127.0.0.1:0\"\ndata_dir = \"{}\"\ndatabase_url = \"{database_url}\"\nsecret_key = \"{SECRET_KEY}\"\n",
        data_dir.display()
    );
    std::fs::write(&file, text).unwrap();
    command(&["serve", "--config", file.to_str().unwrap()], &[])
        .output()
        .unwrap()
}

#[test]
fn a_data_folder_or_journal_that_cannot_be_written_stops_the_start_with_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let good = folder.path().join("data");
    // Not even root can create files there.
    let read_only = Path::new("/proc/sys");
    let in_good = format!("sqlite://{}/bluetick.db", good.display());
    for (data_dir, database_url) in [
        (file.join("data"), in_good.clone()),
        (read_only.to_owned(), in_good),
        (
            good,
            format!("sqlite://{}/bluetick.db", read_only.display()),
        ),
    ] {
        let output = refused_start(&data_dir, &database_url);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        let lines: Vec<_> = said
            .lines()
            .filter(|line| line.starts_with("bluetick: "))
            .collect();
        assert_eq!(lines.len(), 1, "{said}");
        assert!(output.stdout.is_empty());
    }
}
