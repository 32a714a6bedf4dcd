//! SIGKILL at random moments under load: in a group commit, a checkpoint, a reconcile step, the draining of the spool, a purge.
//!
//! `KILLS=100` kills more often; `scripts/kill` does so on both engines.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::rt;
use bluetick::domain::callback_record::{Authenticity, CallbackRecord, Route};
use bluetick::domain::clock::{Clock, SystemClock};
use bluetick::domain::ids::CallbackId;
use bluetick::journal::Journal;
use chrono::TimeDelta;
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::time::{interval, sleep};

use crate::harness::app::SOBOT;
use crate::harness::fleet::Fleet;
use crate::harness::trial::{Killer, Trial};

/// Connections that post, and how often each does.
const CONNECTIONS: u64 = 6;
const PAUSE: Duration = Duration::from_millis(20);
/// Callbacks that are past every retention, so that there is something to purge.
const OLD: usize = 3_000;

#[actix_web::test]
async fn a_process_that_is_killed_again_and_again_loses_no_callback_and_ends_in_the_oracles_states()
{
    let kills = std::env::var("KILLS").map_or(5, |text| text.parse().unwrap());
    let trial = Trial::prepare(1, 11).await;
    let fleet = Arc::clone(&trial.fleet);
    // A journal that has callbacks before it has a database belongs to another.
    trial.terminate(trial.start_all().await).await;
    age(&fleet).await;
    let running = trial.start_all().await;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = || stop.load(Ordering::Relaxed);
    let killer = Killer {
        seed: 11,
        pause: 30..1_200,
        stop: Arc::clone(&stop),
        max_kills: kills,
    };
    let (end, victims) = (End(Arc::clone(&stop)), Arc::clone(&fleet));
    let killed = rt::task::spawn_blocking(move || {
        let _end = end;
        killer.run(&victims, running)
    });
    let (sent, noted, locks) = tokio::join!(
        trial.send(10, |_| stopped()),
        pour(&fleet, &stopped),
        lock(&fleet, &stopped),
    );
    let (running, killed) = killed.await.unwrap();
    trial.settle(running).await;

    let mut kept = fleet.callback_ids().await;
    // The simulator's are posted more than once, on purpose.
    kept.retain(|id| id.starts_with("wamid.poured"));
    let once: BTreeSet<String> = kept.iter().cloned().collect();
    assert_eq!(once.len(), kept.len(), "something is there twice");
    let lost: Vec<_> = noted.difference(&once).collect();
    assert!(
        lost.is_empty(),
        "lost {} of {}: {lost:?}",
        lost.len(),
        noted.len()
    );
    // Whatever was in processing when the process was killed did not cause that.
    let crashed = "SELECT program_version AS line FROM crashed_callbacks";
    assert!(fleet.database.query(crashed).await.is_empty());
    let purged = purge(&fleet).await;
    let spooled = fleet.count_logs_with("writing to the spool");
    let counts = trial.finish(sent).await;
    eprintln!(
        "killed {killed} times: {} callbacks acknowledged and found by id, journal locked {locks} times, spool used in {spooled} lives, \
         {purged}; {sent} messages: {counts:?}",
        noted.len(),
    );
    assert_eq!(killed, kills);
}

/// Signals the senders that there are no more kills, also when the killer panicked.
struct End(Arc<AtomicBool>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Puts callbacks of long ago into the journal.
async fn age(fleet: &Fleet) {
    let journal = Journal::open(fleet.database.journal().await).await.unwrap();
    let long_ago = SystemClock.now() - TimeDelta::days(100);
    let records = (0..OLD).map(|number| {
        let body = json!({ "id": format!("wamid.old{number}"), "status": "sent" });
        CallbackRecord {
            id: CallbackId::new(long_ago),
            account: SOBOT.parse().unwrap(),
            route: Route::Callback,
            method: "POST".to_owned(),
            query: String::new(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            remote: None,
            received_at: long_ago,
            body: body.to_string().into_bytes(),
            authenticity: Authenticity::Verified,
        }
    });
    let appended = records.map(async |record| {
        let room = journal.reserve(record.body.len()).await.unwrap();
        journal.append(record, room).await.unwrap();
    });
    join_all(appended).await;
    journal.close().await.unwrap();
}

/// Posts callbacks without a pause in the whole; returns the ids of those that were answered 200.
async fn pour(fleet: &Fleet, stopped: &impl Fn() -> bool) -> BTreeSet<String> {
    let client = bluetick::http_client::builder().build().unwrap();
    let url = fleet.callback_url(SOBOT);
    let (number, noted) = (Cell::new(0), RefCell::new(BTreeSet::new()));
    let connection = async || {
        let mut ticks = interval(PAUSE);
        while !stopped() {
            ticks.tick().await;
            let id = format!("wamid.poured{}", number.replace(number.get() + 1));
            // Large enough that checkpoints are frequent.
            let body = json!({ "id": id, "status": "delivered", "note": "x".repeat(4_000) });
            let reply = client.post(&url).json(&body).send().await;
            if reply.is_ok_and(|reply| reply.status() == 200) {
                noted.borrow_mut().insert(id);
            }
        }
    };
    join_all((0..CONNECTIONS).map(|_| connection())).await;
    noted.take()
}

/// Locks the journal now and then, so that callbacks go to the spool and are drained; returns how often.
async fn lock(fleet: &Fleet, stopped: &impl Fn() -> bool) -> usize {
    let mut rng = StdRng::seed_from_u64(3);
    let mut locks = 0;
    while !stopped() {
        // Not waits for anything: when the lock is held, and how long, is what is chosen here.
        sleep(Duration::from_millis(rng.random_range(200..1_500))).await;
        if let Some(lock) = fleet.database.try_hold_journal().await {
            sleep(Duration::from_millis(rng.random_range(0..600))).await;
            lock.release().await;
            locks += 1;
        }
    }
    locks
}

/// Purges to the end, where this program can; what was past its retention is gone then.
async fn purge(fleet: &Arc<Fleet>) -> String {
    // The holders are dead and their leases expired.
    fleet.database.execute("DELETE FROM leases").await;
    let runner = Arc::clone(fleet);
    let purged = rt::task::spawn_blocking(move || {
        let (known, _) = runner.run(&["purge", "--help"]);
        known.then(|| runner.run(&["purge"]))
    });
    let Some((well, said)) = purged.await.unwrap() else {
        return "nothing purged".to_owned();
    };
    assert!(well, "{said}");
    let kept = fleet.callback_ids().await;
    let old = kept.iter().filter(|id| id.starts_with("wamid.old"));
    assert_eq!(old.count(), 0, "{said}");
    format!("{OLD} old callbacks purged")
}
