//! A provider's time without a zone is in the account's `provider_time_zone`; one that lies ahead of
//! our clock counts as absent, and is shown with what to set.

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::harness::app::{App, KALEYRA, SOBOT, start_app, start_app_with};
use crate::harness::generator::Generator;

async fn start_in_zone(zone: Tz) -> App {
    start_app_with(|_, accounts| accounts[1].provider_time_zone = zone).await
}

/// Kaleyra's callback profile with a time as its template writes it.
async fn report(app: &App, id: &str, word: &str, time: &str) {
    let provider_id = app.message(id).await["provider_id"].clone();
    let body = json!({ "message_id": provider_id, "status": word, "created_at": time });
    app.deliver_callback(KALEYRA, &body).await;
    app.run_jobs_until_idle().await;
}

async fn sent(app: &App, account: &str) -> String {
    let id = app.send_image(account).await;
    app.run_jobs_until_idle().await;
    id
}

fn written(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone)
        .format("%Y-%m-%d %H:%M:%S")
        .to_string()
}

async fn reports(app: &App, id: &str) -> Vec<Value> {
    let timeline = app.get_ok(&format!("/api/v1/messages/{id}/timeline")).await;
    let mut lines = timeline["data"].as_array().unwrap().clone();
    lines.retain(|line| line.get("callback_id").is_some());
    lines
}

fn milliseconds(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

#[actix_web::test]
async fn a_time_without_a_zone_is_in_the_zone_of_the_account() {
    let app = start_in_zone(Tz::Asia__Kolkata).await;
    let id = sent(&app, KALEYRA).await;
    app.advance(TimeDelta::seconds(30));
    let at = app.now() - TimeDelta::seconds(4);
    report(&app, &id, "delivered", &written(at, Tz::Asia__Kolkata)).await;
    let stage = app.message(&id).await["stages"]["delivered"].clone();
    assert_eq!(stage["at"], milliseconds(at));
    assert_eq!(stage["inferred"], false);
    assert_eq!(reports(&app, &id).await[0].get("time_problem"), None);
    // A time with a zone, and an epoch number, are what they say.
    for time in [at.to_rfc3339(), at.timestamp().to_string()] {
        report(&app, &id, "read", &time).await;
        let stage = app.message(&id).await["stages"]["read"].clone();
        assert_eq!(stage["at"], milliseconds(at), "{time}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_clock_that_is_ahead_is_not_believed_and_is_shown_with_what_to_set() {
    let app = start_app().await;
    let id = sent(&app, KALEYRA).await;
    app.advance(TimeDelta::seconds(30));
    let at = app.now() - TimeDelta::seconds(4);
    report(&app, &id, "delivered", &written(at, Tz::Asia__Kolkata)).await;
    let stage = app.message(&id).await["stages"]["delivered"].clone();
    assert_eq!(stage["at"], milliseconds(app.now()));
    assert_eq!(stage["inferred"], true);
    let flag = "the provider's clock is 5 h 30 min ahead: set provider_time_zone?";
    let line = &reports(&app, &id).await[0];
    assert_eq!(line["time_problem"], flag);
    let theirs = at + TimeDelta::minutes(330);
    assert_eq!(line["occurred_at"], milliseconds(theirs), "it is shown");
    let explained = app.get_ok(&format!("/api/v1/messages/{id}/explain")).await;
    assert!(explained.to_string().contains(flag), "{explained}");
    let page = app.request("GET", &format!("/messages/{id}")).send().await;
    let page = page.unwrap().text().await.unwrap();
    let escaped = flag.replace('\'', "&#39;");
    assert!(page.contains(&escaped), "{page}");
    let day = "from=2026-11-20T00:00:00Z&to=2026-11-21T00:00:00Z&bucket=day";
    let statistics = app.get_ok(&format!("/api/v1/stats?{day}")).await;
    let slowest = largest_latency(&statistics);
    assert!(
        slowest > 0.0 && slowest < 60_000.0,
        "{slowest}: {statistics}"
    );
    app.finish().await;
}

/// The largest percentile of any time, in milliseconds.
fn largest_latency(statistics: &Value) -> f64 {
    match statistics {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| match value {
                Value::Number(number) if name.starts_with('p') => number.as_f64().unwrap(),
                inner => largest_latency(inner),
            })
            .fold(0.0, f64::max),
        Value::Array(elements) => elements.iter().map(largest_latency).fold(0.0, f64::max),
        _ => 0.0,
    }
}

#[actix_web::test]
async fn five_minutes_ahead_are_believed_and_more_are_not() {
    let app = start_app().await;
    for (ahead, problem) in [
        (TimeDelta::seconds(-3600), None),
        (TimeDelta::seconds(300), None),
        (
            TimeDelta::seconds(301),
            Some("the provider's clock is 5 min ahead"),
        ),
        (
            TimeDelta::hours(14),
            Some("the provider's clock is 14 h ahead"),
        ),
        (
            TimeDelta::hours(23),
            Some("the provider's clock is 23 h ahead"),
        ),
        (
            TimeDelta::hours(50),
            Some("the provider's clock is 2 days 2 h ahead"),
        ),
    ] {
        let id = sent(&app, SOBOT).await;
        let provider_id = app.message(&id).await["provider_id"].clone();
        let time = (app.now() + ahead).timestamp().to_string();
        let body = json!({ "id": provider_id, "status": "read", "timestamp": time });
        app.deliver_callback(SOBOT, &body).await;
        app.run_jobs_until_idle().await;
        let line = &reports(&app, &id).await[0];
        assert_eq!(line.get("time_problem").and_then(Value::as_str), problem);
        let stage = app.message(&id).await["stages"]["read"].clone();
        assert_eq!(stage["inferred"], problem.is_some());
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_zone_is_advised_only_for_a_time_that_has_none() {
    let app = start_app().await;
    let ahead = "the provider's clock is 5 h 30 min ahead";
    let advised = "the provider's clock is 5 h 30 min ahead: set provider_time_zone?";
    let theirs = app.now() + TimeDelta::minutes(330);
    for (time, problem) in [
        (written(theirs, Tz::UTC), advised),
        (theirs.timestamp().to_string(), ahead),
        (theirs.timestamp_millis().to_string(), ahead),
        (theirs.to_rfc3339(), ahead),
        (theirs.to_rfc2822(), ahead),
        (
            theirs.with_timezone(&Tz::America__Sao_Paulo).to_rfc3339(),
            ahead,
        ),
    ] {
        let id = sent(&app, KALEYRA).await;
        report(&app, &id, "delivered", &time).await;
        assert_eq!(
            reports(&app, &id).await[0]["time_problem"],
            problem,
            "{time}"
        );
        let explained = app.get_ok(&format!("/api/v1/messages/{id}/explain")).await;
        let text = explained.to_string();
        assert!(text.contains(ahead), "{time}: {text}");
        assert_eq!(
            text.contains("provider_time_zone"),
            problem == advised,
            "{time}: {text}"
        );
    }
    app.finish().await;
}

#[actix_web::test]
async fn any_zone_is_read_as_it_is_written() {
    let mut generator = Generator::new();
    let sample = (
        prop::sample::select(TZ_VARIANTS.to_vec()),
        0_i64..86_400 * 300,
    );
    while generator.next_round(12).is_some() {
        let (zone, later) = generator.value(&sample);
        let app = start_in_zone(zone).await;
        app.advance(TimeDelta::seconds(later));
        let id = sent(&app, KALEYRA).await;
        let at = app.now();
        let text = written(at, zone);
        let local = at.with_timezone(&zone).naive_local();
        if zone.from_local_datetime(&local).single().is_some() {
            report(&app, &id, "delivered", &text).await;
            let stage = app.message(&id).await["stages"]["delivered"].clone();
            assert_eq!(stage["at"], milliseconds(at), "{zone}: {text}");
            assert_eq!(stage["inferred"], false, "{zone}: {text}");
        }
        app.finish().await;
    }
}
