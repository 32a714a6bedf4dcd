//! A fleet under load: a simulator with all faults, a shop that sends, processes that are killed, and at the end a comparison with the
//! oracle.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::rt;
use bluetick::journal::Journal;
use bluetick::simulator::demo_traffic::{Traffic, TrafficAccount};
use bluetick::simulator::{FaultRates, Settings, Simulator, SimulatorHandle};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::interval;

use crate::harness::app::{ACCOUNTS, provider_of};
use crate::harness::fleet::Fleet;
use crate::harness::oracle_comparison::{KillRunCounts, compare_after_kills};
use crate::harness::program::Program;
use crate::harness::waiting;

/// A fleet, the simulator of its providers, and the messages to send.
pub(crate) struct Trial {
    pub(crate) fleet: Arc<Fleet>,
    simulator: SimulatorHandle,
    traffic: Traffic,
    token: String,
}

impl Trial {
    /// Prepares everything and starts no process.
    pub(crate) async fn prepare(replicas: usize, seed: u64) -> Self {
        let settings = Settings {
            seed,
            pace: 0.3,
            faults: FaultRates::all(),
            remembered_requests: 0,
            ..Settings::default()
        };
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let simulator = Simulator::start(settings, socket).unwrap();
        let fleet = Fleet::new(replicas, &simulator.base_url()).await;
        simulator.set_targets(fleet.callback_targets());
        let accounts = ACCOUNTS.map(|account| TrafficAccount {
            id: account.to_owned(),
            provider: provider_of(account),
        });
        let mut traffic = Traffic::new(String::new(), String::new(), accounts.to_vec());
        traffic.seed = seed;
        Self {
            token: fleet.token(),
            fleet: Arc::new(fleet),
            simulator,
            traffic,
        }
    }

    /// Sends messages at this rate until `enough` holds for their number, which is returned. Each request is repeated until it succeeds,
    /// with an idempotency key.
    pub(crate) async fn send(&self, per_second: u32, enough: impl Fn(u64) -> bool) -> u64 {
        let client = bluetick::http_client::builder()
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        let mut ticks = interval(Duration::from_secs(1) / per_second);
        let mut sends = Vec::new();
        while !enough(sends.len() as u64) {
            ticks.tick().await;
            let ordinal = sends.len() as u64;
            let request = client
                .post(format!("{}/api/v1/messages", self.fleet.address))
                .bearer_auth(&self.token)
                .header("idempotency-key", format!("order-{ordinal}"))
                .json(&self.traffic.build_message(ordinal).unwrap());
            sends.push(rt::spawn(async move {
                loop {
                    let reply = request.try_clone().unwrap().send().await;
                    match reply {
                        Ok(reply) if reply.status().is_success() => return,
                        Ok(reply) => assert_eq!(reply.status(), 503, "{:?}", reply.text().await),
                        // The process was killed or has not started yet.
                        Err(_) => waiting::pause().await,
                    }
                }
            }));
        }
        let count = sends.len() as u64;
        for send in sends {
            send.await.unwrap();
        }
        count
    }

    /// Submits everything, restarts all processes without the leases of killed ones, and waits until every callback is applied.
    pub(crate) async fn settle(&self, running: Vec<Program>) {
        let database = &self.fleet.database;
        let queued = "SELECT state AS line FROM messages WHERE queue = 'queued'";
        let are_sent = async || database.query(queued).await.is_empty();
        waiting::until("nothing is queued", are_sent).await;
        self.terminate(running).await;
        // No process is running, so no lease is in use.
        let expire = "UPDATE messages SET lease_until = 0 WHERE queue = 'sending'";
        database.execute(expire).await;
        let running = self.start_all().await;
        let unfinished = "SELECT state AS line FROM messages WHERE queue IN ('queued', 'sending')";
        let are_done = async || database.query(unfinished).await.is_empty();
        waiting::until("nothing is being sent", are_done).await;
        self.simulator.idle().await;
        let store = database.main().await;
        let journal = Journal::open(database.journal().await).await.unwrap();
        let are_applied = async || store.position().await.unwrap() >= journal.end().await.unwrap();
        waiting::until("every callback is applied", are_applied).await;
        journal.close().await.unwrap();
        store.close().await.unwrap();
        self.terminate(running).await;
    }

    /// Compares what is stored with what was reported, runs `verify`, and stops the simulator.
    pub(crate) async fn finish(self, sent: u64) -> KillRunCounts {
        let counts = compare_after_kills(&self.fleet.database, &self.simulator.oracle()).await;
        assert_eq!((counts.accepted + counts.never_sent) as u64, sent);
        let fleet = Arc::clone(&self.fleet);
        let verified = rt::task::spawn_blocking(move || fleet.run(&["verify"])).await;
        let (succeeded, output) = verified.unwrap();
        assert!(succeeded, "{output}");
        self.simulator.stop().await.unwrap();
        counts
    }

    /// Starts every replica without blocking other tasks.
    pub(crate) async fn start_all(&self) -> Vec<Program> {
        let fleet = Arc::clone(&self.fleet);
        let start = move || {
            fleet
                .replicas()
                .map(|replica| fleet.start(replica))
                .collect()
        };
        rt::task::spawn_blocking(start).await.unwrap()
    }

    /// Stops processes one after the other; each must exit with 0.
    pub(crate) async fn terminate(&self, running: Vec<Program>) {
        let terminate = || {
            for program in running {
                let (status, log) = program.terminate();
                assert_eq!(status.code(), Some(0), "{log}");
            }
        };
        rt::task::spawn_blocking(terminate).await.unwrap();
    }
}

/// Kills random processes and restarts each immediately.
pub(crate) struct Killer {
    pub(crate) seed: u64,
    /// Range of the random pause before each kill, in milliseconds.
    pub(crate) pause: std::ops::Range<u64>,
    /// Ends the run when set.
    pub(crate) stop: Arc<AtomicBool>,
    /// Ends the run after this many kills.
    pub(crate) max_kills: usize,
}

impl Killer {
    /// Returns the running processes and the number of kills. Blocks its thread.
    pub(crate) fn run(self, fleet: &Fleet, mut running: Vec<Program>) -> (Vec<Program>, usize) {
        let mut rng = StdRng::seed_from_u64(self.seed);
        let mut killed = 0;
        while killed < self.max_kills {
            // Not a wait for a condition: this chooses the moment of the kill.
            std::thread::sleep(Duration::from_millis(rng.random_range(self.pause.clone())));
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let victim = rng.random_range(0..running.len());
            running.remove(victim).kill();
            running.insert(victim, fleet.start(victim));
            killed += 1;
        }
        (running, killed)
    }
}
