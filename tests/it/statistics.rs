//! Statistics of a period: they equal a recount, and days follow the requested zone.

use bluetick::domain::delivery_state::Stage;
use bluetick::domain::failure::Failure;
use bluetick::domain::ids::{AccountId, MessageId, ProviderMessageId};
use bluetick::domain::media::{Media, MediaKind, MediaSource};
use bluetick::domain::message::{MessageDraft, Origin, References, SendOptions};
use bluetick::domain::phone::PhoneNumber;
use bluetick::domain::provider::ProviderId;
use bluetick::domain::receipt::{Pricing, Receipt, ReceiptEvent, SourceKind};
use bluetick::store::Store;
use bluetick::store::ledger::{LearnedFrom, Orphan};
use bluetick::store::message_acceptance::Acceptance;
use chrono::{DateTime, TimeDelta, Utc};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::app::{App, SOBOT, ZIXFLOW, noon, start_app};
use crate::harness::database::TestDatabase;
use crate::harness::recount::assert_counts_match_recount;

fn account() -> AccountId {
    "sobot-main".parse().unwrap()
}

async fn accept(store: &Store, now: DateTime<Utc>) -> MessageId {
    let draft = MessageDraft {
        account: account(),
        provider: ProviderId::Sobot,
        origin: Origin::Api,
        sender: None,
        recipient: PhoneNumber::parse("+447700900123").unwrap(),
        name: None,
        media: Media {
            kind: MediaKind::Video,
            source: MediaSource::Url("https://media.example.com/a.mp4".to_owned()),
            mime_type: None,
            caption: None,
        },
        references: References::default(),
        client_reference: None,
        options: SendOptions::default(),
        resend_of: None,
        campaign: None,
        template: None,
    };
    let id = MessageId::new(now);
    let acceptance = Acceptance {
        id,
        draft: &draft,
        key: None,
        action: None,
        max_queue_time: TimeDelta::hours(1),
        silence_limit: TimeDelta::hours(24),
        warnings: &[],
    };
    store.accept(acceptance, now).await.unwrap();
    id
}

/// Any report, at any time, in any order.
fn any_receipt(rng: &mut StdRng, source: u128) -> Receipt {
    let stages = [Stage::Submitted, Stage::Sent, Stage::Delivered, Stage::Read];
    let event = if rng.random_bool(0.2) {
        let codes = ["131026", "131053", "470"];
        ReceiptEvent::Failure(Failure {
            code: codes.choose(rng).map(ToString::to_string),
            ..Failure::default()
        })
    } else {
        ReceiptEvent::Stage(*stages.choose(rng).unwrap())
    };
    let received_at = noon() + TimeDelta::milliseconds(rng.random_range(0..200_000_000));
    let clock = received_at - TimeDelta::milliseconds(rng.random_range(0..100_000_000));
    Receipt {
        source_kind: SourceKind::Callback,
        source: Uuid::from_u128(source),
        part: 0,
        event,
        occurred_at: rng.random_bool(0.7).then_some(clock),
        zone_assumed: false,
        received_at,
        recipient: None,
        pricing: Pricing::default(),
    }
}

/// A message with reports that arrive before its id is known.
async fn add_orphan(store: &Store, rng: &mut StdRng, source: u128) -> MessageId {
    let now = noon() + TimeDelta::minutes(rng.random_range(0..90));
    let id = MessageId::new(now);
    let mut ledger = store.ledger(now).await.unwrap();
    ledger
        .upsert_orphan(Orphan {
            id,
            account: &account(),
            provider: ProviderId::Sobot,
            at: now,
            adopt_at: Some(now),
            silence_limit: TimeDelta::hours(24),
            recipient: None,
            kind: Some(MediaKind::Video),
        })
        .await
        .unwrap();
    ledger.add(id, any_receipt(rng, source)).unwrap();
    bind(&mut ledger, id, &format!("id-{}", id.uuid())).await;
    store.commit(ledger).await.unwrap();
    id
}

async fn bind(ledger: &mut bluetick::store::ledger::Ledger, message: MessageId, text: &str) {
    let id = ProviderMessageId::parse(text).unwrap();
    let ledger_now = ledger.now();
    ledger
        .load_holders(&[(account(), id.clone())])
        .await
        .unwrap();
    ledger
        .bind(message, &account(), &id, LearnedFrom::Callback(ledger_now))
        .await
        .unwrap();
}

#[actix_web::test]
async fn counts_and_histograms_equal_a_recount_for_any_events_in_any_order() {
    for seed in 0..4 {
        let database = TestDatabase::new().await;
        let store = database.main().await;
        let mut rng = StdRng::seed_from_u64(seed);
        let mut sent = Vec::new();
        let mut orphans = Vec::new();
        for source in 1..=90_u128 {
            let now = noon() + TimeDelta::minutes(rng.random_range(0..90));
            match rng.random_range(0..10) {
                0 | 1 => sent.push(accept(&store, now).await),
                2 => orphans.push(add_orphan(&store, &mut rng, source).await),
                3 if !orphans.is_empty() && !sent.is_empty() => {
                    let orphan = orphans.swap_remove(rng.random_range(0..orphans.len()));
                    let survivor = *sent.choose(&mut rng).unwrap();
                    let mut ledger = store.ledger(now).await.unwrap();
                    ledger.load(&[survivor]).await.unwrap();
                    let receipt = any_receipt(&mut rng, source);
                    ledger.add(survivor, receipt).unwrap();
                    bind(&mut ledger, survivor, &format!("id-{}", orphan.uuid())).await;
                    store.commit(ledger).await.unwrap();
                }
                4 => {
                    let Some(orphan) = orphans.choose(&mut rng).copied() else {
                        continue;
                    };
                    let mut ledger = store.ledger(now).await.unwrap();
                    ledger.load(&[orphan]).await.unwrap();
                    ledger.adopt(orphan).await.unwrap();
                    store.commit(ledger).await.unwrap();
                }
                _ => {
                    let known: Vec<MessageId> = sent.iter().chain(&orphans).copied().collect();
                    let Some(id) = known.choose(&mut rng).copied() else {
                        continue;
                    };
                    let mut ledger = store.ledger(now).await.unwrap();
                    ledger.load(&[id]).await.unwrap();
                    ledger.add(id, any_receipt(&mut rng, source)).unwrap();
                    store.commit(ledger).await.unwrap();
                }
            }
            if source % 15 == 0 {
                assert_counts_match_recount(&database).await;
            }
        }
        assert!(sent.len() > 4, "seed {seed} sent nothing");
    }
}

/// Sobot's flat status; `second` is the provider's clock after noon.
fn status(id: &str, word: &str, second: i64) -> Value {
    let at = noon().timestamp() + second;
    json!({ "id": id, "status": word, "timestamp": at.to_string() })
}

/// Sends one image that is sent after 2 seconds and read after 60; "delivered" is not reported.
async fn send_and_read(app: &App) -> Value {
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let known = app.message(&id).await["provider_id"]
        .as_str()
        .unwrap()
        .to_owned();
    for (word, second) in [("read", 60), ("sent", 2)] {
        app.deliver_callback(SOBOT, &status(&known, word, second))
            .await;
    }
    app.run_jobs_until_idle().await;
    app.message(&id).await
}

#[actix_web::test]
async fn stats_have_states_failures_and_times_per_bucket() {
    let app = start_app().await;
    let shown = send_and_read(&app).await;
    assert_eq!(shown["stages"]["delivered"]["implied"], true, "{shown}");
    app.send_image(ZIXFLOW).await;
    let stats = app.get_ok("/api/v1/stats?bucket=hour").await;
    assert_eq!(
        (&stats["bucket"], &stats["tz"], &stats["as_of"]),
        (
            &json!("hour"),
            &json!("UTC"),
            &json!("2026-11-20T12:00:00.000Z")
        )
    );
    // Messages created at the instant `to` are excluded.
    assert_eq!(stats["data"], json!([]));
    app.advance(TimeDelta::minutes(1));
    let stats = app.get_ok("/api/v1/stats").await;
    let data = stats["data"].as_array().unwrap();
    assert_eq!(data.len(), 2, "{stats}");
    let sobot = &data[0];
    assert_eq!(sobot["at"], "2026-11-20T12:00:00.000Z");
    assert_eq!(
        (&sobot["account"], &sobot["kind"]),
        (&json!(SOBOT), &json!("image"))
    );
    assert_eq!(sobot["states"], json!({ "read": 1 }));
    assert_eq!(sobot["failures"], json!({ "classes": {}, "codes": {} }));
    assert!(sobot.get("observed").is_none() && sobot.get("dry_run").is_none());
    let times = &sobot["time_to"];
    assert!(times.get("delivered").is_none(), "implied is not timed");
    for (stage, millis) in [("sent", 2000.0), ("read", 60_000.0)] {
        assert_eq!(times[stage]["count"], 1);
        for percentile in ["p50_ms", "p95_ms", "p99_ms"] {
            let found = times[stage][percentile].as_f64().unwrap();
            assert!((found / millis - 1.0).abs() < 0.13, "{stage}: {found}");
        }
    }
    assert_eq!(data[1]["states"], json!({ "queued": 1 }));
    let one = app
        .get_ok(&format!("/api/v1/stats?bucket=15m&account={ZIXFLOW}"))
        .await;
    assert_eq!(one["data"].as_array().unwrap().len(), 1);
    app.finish().await;
}

#[actix_web::test]
async fn stats_count_failures_by_class_and_code() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let known = app.message(&id).await["provider_id"].clone();
    let mut body = status(known.as_str().unwrap(), "failed", 5);
    body["errors"] = json!([{ "code": 131_026, "title": "Message undeliverable" }]);
    app.deliver_callback(SOBOT, &body).await;
    app.run_jobs_until_idle().await;
    let shown = app.message(&id).await;
    assert_eq!(shown["failure"]["code"], "131026", "{shown}");
    app.advance(TimeDelta::minutes(1));
    let stats = app.get_ok("/api/v1/stats").await;
    assert_eq!(
        stats["data"][0]["failures"],
        json!({
            "classes": { shown["failure"]["class"].as_str().unwrap(): 1 },
            "codes": { "131026": 1 },
        })
    );
    app.finish().await;
}

#[actix_web::test]
async fn days_of_a_summary_follow_its_zone() {
    let app = start_app().await;
    send_and_read(&app).await;
    // 18:30 UTC is midnight in Kolkata.
    app.advance(TimeDelta::minutes(6 * 60 + 30));
    app.send_image(SOBOT).await;
    app.advance(TimeDelta::minutes(1));
    let summary = app
        .get_ok("/api/v1/reports/summary.json?tz=Asia/Kolkata")
        .await;
    assert_eq!(
        (&summary["as_of"], &summary["tz"]),
        (&json!("2026-11-20T18:31:00.000Z"), &json!("Asia/Kolkata"))
    );
    let days: Vec<(&str, i64)> = summary["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|day| {
            (
                day["day"].as_str().unwrap(),
                day["messages"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(days, [("2026-11-20", 1), ("2026-11-21", 1)]);
    let utc = app
        .get_ok("/api/v1/reports/summary.json?from=2026-11-20&to=2026-11-20")
        .await;
    assert_eq!(utc["data"][0]["messages"], 2);
    assert_eq!(utc["data"][0]["states"]["read"], 1);
    assert_eq!(utc["data"][0]["states"]["failed"], 0);
    let file = app
        .request("GET", "/api/v1/reports/summary.csv?tz=Asia/Kolkata&bom=1")
        .send()
        .await
        .unwrap();
    assert_eq!(file.headers()["content-type"], "text/csv; charset=utf-8");
    let text = String::from_utf8(file.bytes().await.unwrap().to_vec()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "\u{feff}day,account,kind,messages,queued,sending,uncertain,submitted,sent,\
         delivered,read,played,failed,cancelled,observed,dry_run,time_to_sent_p50_ms,time_to_delivered_p50_ms,time_to_read_p50_ms,as_of,tz,\
         interval,campaign,attempted,delivered_or_read,read_or_played,charged_deliveries,free_deliveries,\
         deliveries_without_rate,failed_in_queue"
    );
    assert!(lines[1].starts_with("2026-11-20,sobot-main,image,1,0,0,0,0,0,0,1,0,0,0,0,0,"));
    assert!(lines[2].ends_with(",2026-11-20T18:31:00.000Z,Asia/Kolkata,day,,0,0,0,0,0,0,0"));
    assert_eq!(lines.len(), 3);
    app.finish().await;
}

#[actix_web::test]
async fn an_invalid_period_is_rejected_with_its_parameter() {
    let app = start_app().await;
    for (query, field) in [
        ("bucket=minute", "bucket"),
        ("tz=Moon", "tz"),
        ("from=yesterday", "from"),
        ("to=2026-13-01", "to"),
        ("from=2026-11-20&to=2026-11-19", "from"),
        ("bucket=15m&from=2020-01-01", "from"),
        ("from=-262143-01-01T00:00:00Z", "from"),
        ("to=99999-01-01", "to"),
        ("account=No%20slug", "account"),
        ("state=sent", "state"),
    ] {
        let (status, problem) = app.get(&format!("/api/v1/stats?{query}")).await;
        assert_eq!(status, 422, "{query}: {problem}");
        assert_eq!(problem["errors"][0]["field"], field, "{query}");
    }
    app.finish().await;
}
