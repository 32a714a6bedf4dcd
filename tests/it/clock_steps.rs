//! The machine's clock is set while the program runs, or between two runs: nothing stops, and nothing is done twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bluetick::app;
use bluetick::config::Config;
use bluetick::domain::clock::{Clock, SystemClock};
use bluetick::domain::secret::Secret;
use bluetick::receiving::reconcile::ReconcileStep;
use bluetick::services::Services;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::harness::app::{App, SOBOT, start_app};
use crate::harness::database::TestDatabase;

const APPLIED_NOTHING: ReconcileStep = ReconcileStep::Applied {
    callbacks: 0,
    caught_up: true,
};

/// The machine's clock, which someone sets.
#[derive(Debug, Default)]
struct MachineClock(AtomicI64);

impl MachineClock {
    fn step(&self, step: TimeDelta) {
        self.0.fetch_add(step.num_milliseconds(), Ordering::Relaxed);
    }
}

impl Clock for MachineClock {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + TimeDelta::milliseconds(self.0.load(Ordering::Relaxed))
    }
}

async fn open(database: &TestDatabase, clock: &Arc<MachineClock>) -> Services {
    let mut config = Config::in_folder(database.folder().to_path_buf());
    config.database_url = database.url_without_tls();
    config.secret_key = Some(Secret::new("s".repeat(32)));
    app::open(config, clock.clone()).await.unwrap()
}

async fn steps(services: &Services) -> ReconcileStep {
    services.reconciler.step().await.unwrap()
}

async fn text_of(app: &App, path: &str) -> String {
    let reply = app.request("GET", path).send().await.unwrap();
    reply.text().await.unwrap()
}

#[actix_web::test]
async fn a_clock_set_by_hours_neither_stops_the_reconciler_nor_loses_its_lease() {
    let database = TestDatabase::new().await;
    let clock = Arc::new(MachineClock::default());
    let first = open(&database, &clock).await;
    assert_eq!(steps(&first).await, APPLIED_NOTHING);
    for hours in [-3, 6, -3] {
        clock.step(TimeDelta::hours(hours));
        assert_eq!(steps(&first).await, APPLIED_NOTHING);
        assert!(
            first
                .maintenance_lease
                .hold(first.steady_clock.now())
                .await
                .unwrap()
        );
    }
    if database.is_postgres() {
        // Other machines, with other clocks, on the same database.
        for hours in [3, -3] {
            let other = Arc::new(MachineClock::default());
            other.step(TimeDelta::hours(hours));
            let second = open(&database, &other).await;
            assert_eq!(steps(&first).await, APPLIED_NOTHING);
            assert_eq!(steps(&second).await, ReconcileStep::LeaseHeldElsewhere);
            app::close(second).await;
        }
    }
    app::close(first).await;
}

#[actix_web::test]
async fn a_lease_of_a_dead_process_from_before_the_clock_was_set_back_stops_no_one() {
    let database = TestDatabase::new().await;
    let clock = Arc::new(MachineClock::default());
    let dead = open(&database, &clock).await;
    assert_eq!(steps(&dead).await, APPLIED_NOTHING);
    // It dies without releasing anything.
    app::close(dead).await;
    let ahead = "UPDATE leases SET expires_at = expires_at + 10800000";
    database.execute(ahead).await;
    let next = open(&database, &clock).await;
    assert_eq!(steps(&next).await, APPLIED_NOTHING);
    app::close(next).await;
}

#[actix_web::test]
async fn a_submission_in_progress_stays_so_when_the_clock_is_set_ahead() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    let claimed = app.services.dispatcher.claim_due().await.unwrap();
    assert_eq!(claimed.len(), 1);
    // Its process works on, by the clock of a machine three hours ahead.
    let ahead = Arc::new(MachineClock::default());
    ahead.step(app.now() - SystemClock.now());
    let steady = bluetick::domain::steady_clock::SteadyClock::new(ahead.clone());
    let mut dispatcher = app.services.dispatcher.clone();
    dispatcher.clock = ahead.clone();
    dispatcher.steady_clock = Arc::new(steady);
    for hours in [3, -6] {
        ahead.step(TimeDelta::hours(hours));
        dispatcher.sweep().await.unwrap();
        assert_eq!(app.message(&id).await["state"], "sending");
    }
    for work in claimed {
        app.services.dispatcher.submit(work).await;
    }
    assert_eq!(app.message(&id).await["state"], "submitted");
    app.finish().await;
}

#[actix_web::test]
async fn lag_of_more_than_a_minute_is_an_alarm_until_it_is_gone() {
    let app = start_app().await;
    let note_lag = async || app.services.reconciler.note_lag().await.unwrap();
    app.deliver_callback(SOBOT, &json!({ "id": "wamid.late", "status": "sent" }))
        .await;
    note_lag().await;
    app.advance(TimeDelta::seconds(60));
    note_lag().await;
    assert!(app.alarms().await.is_empty());
    app.advance(TimeDelta::seconds(1));
    let alarms = app.alarms().await;
    assert_eq!(alarms[0]["alarm"], "reconcile_lag", "{alarms:?}");
    let text = text_of(&app, "/metrics").await;
    assert!(text.contains("bluetick_alarms{alarm=\"reconcile_lag\",account=\"\"} 1"));
    let ready = text_of(&app, "/readyz").await;
    assert!(ready.contains("processed late"), "{ready}");
    app.apply_callbacks().await;
    note_lag().await;
    assert!(app.alarms().await.is_empty());
    app.finish().await;
}
