//! A callback that ends the process does not do so for ever: it is set aside, and everything else is processed.

use std::path::{Path, PathBuf};

use bluetick::domain::callback_record::{Authenticity, CallbackRecord, Route};
use bluetick::domain::clock::{Clock, SystemClock};
use bluetick::domain::ids::CallbackId;
use bluetick::journal::Journal;
use serde_json::json;

use crate::harness::app::SOBOT;
use crate::harness::fleet::Fleet;
use crate::harness::program::{Program, command, run_to_end};
use crate::harness::waiting;

/// Read by builds with `debug_assertions` only.
const VARIABLE: &str = "TEST_ABORT_ON_CALLBACK";
const CALLBACKS: usize = 20;
/// Among the others.
const FATAL: usize = 12;

/// A program that dies on a callback whose body says so.
struct Fragile {
    fleet: Fleet,
    when: &'static str,
}

impl Fragile {
    /// Its journal holds `count` callbacks that no one has processed; the given one ends it.
    async fn with_backlog(when: &'static str, count: usize, fatal: usize) -> Self {
        let fleet = Fleet::new(1, "http://127.0.0.1:9").await;
        fleet.start(0).terminate();
        let journal = Journal::open(fleet.database.journal().await).await.unwrap();
        for number in 0..count {
            let text = if number == fatal { "fatal" } else { "harmless" };
            let body = json!({ "id": format!("wamid.{text}{number}"), "status": "delivered" });
            let now = SystemClock.now();
            let record = CallbackRecord {
                id: CallbackId::new(now),
                account: SOBOT.parse().unwrap(),
                route: Route::Callback,
                method: "POST".to_owned(),
                query: String::new(),
                headers: vec![("content-type".to_owned(), "application/json".to_owned())],
                remote: None,
                received_at: now,
                body: body.to_string().into_bytes(),
                authenticity: Authenticity::Verified,
            };
            let memory = journal.reserve(record.body.len()).await.unwrap();
            journal.append(record, memory).await.unwrap();
        }
        journal.close().await.unwrap();
        Self { fleet, when }
    }

    fn config(&self) -> PathBuf {
        self.fleet.data_dir(0).join("bluetick.toml")
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let file = self.config();
        let mut all = vec!["--config", file.to_str().unwrap()];
        all.extend(arguments);
        command(&all, &[(VARIABLE, Path::new(self.when))])
    }

    /// Serves until it dies; it dies of itself.
    fn live_and_die(&self) {
        let mut serve = self.command(&["serve"]);
        serve.env("BLUETICK_LISTEN", "127.0.0.1:0");
        let output = run_to_end(serve);
        assert!(output.status.code().is_none(), "{output:?}");
    }

    fn start(&self) -> Program {
        let mut serve = self.command(&["serve"]);
        serve.env("BLUETICK_LISTEN", "127.0.0.1:0");
        Program::start(serve, &self.fleet.data_dir(0).join("last.log"))
    }

    async fn outcomes(&self) -> Vec<String> {
        let sql = "SELECT COALESCE(detail, outcome) AS line FROM callback_outcomes ORDER BY seq";
        self.fleet.database.query(sql).await
    }

    async fn wait_for_outcomes(&self, count: usize) -> Vec<String> {
        let are_there = async || self.outcomes().await.len() == count;
        waiting::until("all have an outcome", are_there).await;
        self.outcomes().await
    }
}

fn assert_only_fatal_is_aside(outcomes: &[String]) {
    for (number, outcome) in outcomes.iter().enumerate() {
        assert_eq!(
            outcome.starts_with("crashed: "),
            number == FATAL,
            "{number}: {outcome}"
        );
    }
}

async fn check_backlog(when: &'static str) {
    let fragile = Fragile::with_backlog(when, CALLBACKS, FATAL).await;
    // Once in its batch, twice alone.
    for _ in 0..3 {
        fragile.live_and_die();
    }
    let running = fragile.start();
    let outcomes = fragile.wait_for_outcomes(CALLBACKS).await;
    assert_only_fatal_is_aside(&outcomes);
    let (status, log) = running.terminate();
    assert!(status.success(), "{log}");
    assert!(log.contains("it is quarantined"), "{log}");
    assert!(!log.contains("wamid"), "{log}");

    // The dead ones gave nothing back, for instance the lease of a purge.
    let leases = "DELETE FROM leases";
    fragile.fleet.database.execute(leases).await;
    // Neither a replay nor a rebuild dies on it again, nor do they process it.
    for arguments in [
        &["replay", "--outcome", "quarantined"][..],
        &["rebuild"],
        &["verify"],
    ] {
        let output = run_to_end(fragile.command(arguments));
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        assert_only_fatal_is_aside(&fragile.outcomes().await);
    }
}

#[actix_web::test]
async fn a_callback_on_whose_parsing_the_process_died_twice_is_set_aside() {
    check_backlog("parse:fatal").await;
}

#[actix_web::test]
async fn a_callback_on_whose_effects_the_process_died_twice_is_set_aside() {
    check_backlog("apply:fatal").await;
}

#[actix_web::test]
async fn two_deaths_suffice_where_nothing_else_was_in_processing() {
    let fragile = Fragile::with_backlog("parse:fatal", 1, 0).await;
    fragile.live_and_die();
    fragile.live_and_die();
    let running = fragile.start();
    let outcomes = fragile.wait_for_outcomes(1).await;
    assert!(outcomes[0].starts_with("crashed: "), "{outcomes:?}");
    assert!(running.terminate().0.success());
}

#[actix_web::test]
async fn a_callback_whose_effects_panic_stops_nothing() {
    let fragile = Fragile::with_backlog("panic:fatal", CALLBACKS, FATAL).await;
    let running = fragile.start();
    let outcomes = fragile.wait_for_outcomes(CALLBACKS).await;
    assert_only_fatal_is_aside(&outcomes);
    let (status, log) = running.terminate();
    assert!(status.success(), "{log}");
}
