//! Several processes on one PostgreSQL: whoever of them dies, every message is sent once and every report is known.
//!
//! `REPLICAS=2,4 REPLICA_SECONDS=60` runs longer; `scripts/replicas` does so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::rt;

use crate::harness::trial::{Killer, Trial};

#[actix_web::test]
async fn replicas_of_which_one_after_the_other_is_killed_send_each_message_once_and_end_in_the_oracles_states()
 {
    if std::env::var_os("TEST_DATABASE_URL").is_none() {
        return;
    }
    let seconds = std::env::var("REPLICA_SECONDS").map_or(8, |text| text.parse().unwrap());
    let numbers = std::env::var("REPLICAS").unwrap_or_else(|_| "2".to_owned());
    for replicas in numbers.split(',').map(|text| text.parse().unwrap()) {
        let trial = Trial::prepare(replicas, replicas as u64).await;
        let running = trial.start_all().await;
        let stop = Arc::new(AtomicBool::new(false));
        let killer = Killer {
            seed: replicas as u64,
            pause: 1_000..3_000,
            stop: Arc::clone(&stop),
            most: usize::MAX,
        };
        let fleet = Arc::clone(&trial.fleet);
        let killing = rt::task::spawn_blocking(move || killer.run(&fleet, running));
        let sent = trial.send(20, Duration::from_secs(seconds)).await;
        stop.store(true, Ordering::Relaxed);
        let (running, killed) = killing.await.unwrap();
        trial.settle(running).await;
        let survey = trial.finish(sent).await;
        eprintln!("{replicas} replicas, {killed} killed, {sent} messages: {survey:?}");
        assert!(killed > 0);
    }
}
