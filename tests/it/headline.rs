//! The headline names what is wrong, account by account, and says so when nothing is.

use bluetick::domain::account_limit::AccountLimit;
use bluetick::domain::delivery_state::Stage;
use bluetick::domain::failure::Failure;
use bluetick::domain::ids::{CallbackId, MessageId};
use bluetick::domain::message::MessageDraft;
use bluetick::domain::receipt::{Pricing, Receipt, ReceiptEvent, SourceKind};
use bluetick::domain::scope::Scope;
use bluetick::reporting::headline::{self, Headline, HeadlineInput};
use bluetick::store::past_submissions::PastSubmission;
use chrono::{DateTime, TimeDelta, Utc};
use scraper::{Html, Selector};
use serde_json::{Value, json};

use crate::harness::app::{
    ACCOUNTS, App, KALEYRA, LANCEPILOT, SOBOT, ZIXFLOW, noon, start_app, start_app_with,
};
use crate::harness::seeded_messages::draft;

#[derive(Clone, Copy, Default)]
pub(crate) struct OutcomeCounts {
    pub(crate) delivered: usize,
    pub(crate) failed: usize,
    pub(crate) unreported: usize,
}

/// Adds messages that were submitted at `at`, and reported `after` that.
pub(crate) async fn add_messages(
    app: &App,
    account: &str,
    at: DateTime<Utc>,
    sent: OutcomeCounts,
    after: TimeDelta,
) {
    let account = app
        .services
        .accounts
        .values()
        .find(|it| it.id.as_str() == account);
    let account = account.unwrap();
    let count = sent.delivered + sent.failed + sent.unreported;
    let past: Vec<PastSubmission> = (0..count)
        .map(|_| PastSubmission {
            id: MessageId::new(at),
            draft: MessageDraft {
                provider: account.provider(),
                ..draft(account.id.as_str(), "+447700900123")
            },
            accepted_at: at,
            submitted_at: at,
            provider_ids: Vec::new(),
            request: String::new(),
            reply: String::new(),
            http_status: 200,
            silence_limit: TimeDelta::hours(24),
        })
        .collect();
    let store = &app.services.store;
    store.add_past_submissions(&past, at).await.unwrap();
    let mut ledger = store.ledger(app.now()).await.unwrap();
    let reported: Vec<MessageId> = past
        .iter()
        .take(sent.delivered + sent.failed)
        .map(|it| it.id)
        .collect();
    ledger.load(&reported).await.unwrap();
    for (index, id) in reported.into_iter().enumerate() {
        let event = if index < sent.delivered {
            ReceiptEvent::Stage(Stage::Delivered)
        } else {
            ReceiptEvent::Failure(Failure {
                code: Some("131053".to_owned()),
                ..Failure::default()
            })
        };
        let receipt = Receipt {
            source_kind: SourceKind::Callback,
            source: CallbackId::new(at + after).uuid(),
            part: 0,
            event,
            occurred_at: Some(at + after),
            zone_assumed: false,
            received_at: at + after,
            recipient: None,
            pricing: Pricing::default(),
        };
        ledger.add(id, receipt).unwrap();
    }
    store.commit(ledger).await.unwrap();
}

/// Every account is connected, and delivered 190 of 200 messages in six seconds two days ago.
pub(crate) async fn start_with_history() -> App {
    let app = start_app().await;
    let notice = json!({ "entry": [{ "changes": [{
        "field": "business_capability_update",
        "value": { "max_daily_conversation_per_phone": 10_000 },
    }] }] });
    for account in ACCOUNTS {
        app.deliver_callback(account, &notice).await;
    }
    app.apply_callbacks().await;
    let usual = OutcomeCounts {
        delivered: 190,
        failed: 10,
        unreported: 0,
    };
    for account in ACCOUNTS {
        let before = noon() - TimeDelta::days(2);
        add_messages(&app, account, before, usual, TimeDelta::seconds(6)).await;
    }
    // Long enough for a silence.
    app.advance(TimeDelta::minutes(26));
    app
}

#[actix_web::test]
async fn accounts_without_any_callback_are_not_called_healthy() {
    let app = start_app().await;
    let headline = headline_without_alarms(&app).await;
    assert_eq!(headline.text, "No callback has arrived yet");
    app.stop().await;
}

/// Within the last hour.
pub(crate) fn within_the_last_hour() -> DateTime<Utc> {
    noon() + TimeDelta::minutes(5)
}

/// What is wrong with accounts. Alarms are left out: some are about the disk of this machine.
async fn issues(app: &App) -> Vec<Value> {
    let stats = app.get_ok("/api/v1/stats").await;
    let issues = stats["headline"]["issues"].as_array().unwrap().iter();
    issues
        .filter(|issue| issue["account"].is_string())
        .cloned()
        .collect()
}

async fn health(app: &App, account: &str) -> Value {
    let accounts = app.get_ok("/api/v1/accounts").await;
    let mut accounts = accounts["data"].as_array().unwrap().iter();
    let found = accounts.find(|it| it["id"] == account).unwrap();
    found["health"].clone()
}

async fn page_headline(app: &App) -> String {
    let page = app
        .request_as(Scope::Read, "GET", "/")
        .send()
        .await
        .unwrap();
    let html = scraper::Html::parse_document(&page.text().await.unwrap());
    let selector = scraper::Selector::parse("h1").unwrap();
    let heading = html.select(&selector).next().unwrap();
    heading.text().collect()
}

async fn headline_without_alarms(app: &App) -> Headline {
    let limit = AccountLimit::default();
    let input = HeadlineInput::load(&app.services, &limit, chrono_tz::UTC).await;
    headline::summarize(&input.unwrap(), Vec::new(), chrono_tz::UTC)
}

#[actix_web::test]
async fn a_healthy_hour_is_called_healthy() {
    let app = start_with_history().await;
    let sent = OutcomeCounts {
        delivered: 57,
        failed: 3,
        unreported: 0,
    };
    for account in ACCOUNTS {
        add_messages(
            &app,
            account,
            within_the_last_hour(),
            sent,
            TimeDelta::seconds(7),
        )
        .await;
        assert_eq!(health(&app, account).await, "ok", "{account}");
    }
    assert_eq!(issues(&app).await, Vec::<Value>::new());
    let headline = headline_without_alarms(&app).await;
    assert_eq!(headline.text, "All accounts healthy");
    assert!(headline.is_healthy());
}

#[actix_web::test]
async fn one_or_two_failures_of_as_many_messages_are_not_called_healthy() {
    let app = start_with_history().await;
    let failed = OutcomeCounts {
        failed: 2,
        ..OutcomeCounts::default()
    };
    let at = within_the_last_hour();
    add_messages(&app, KALEYRA, at, failed, TimeDelta::seconds(6)).await;
    let headline = headline_without_alarms(&app).await;
    assert_eq!(
        headline.text,
        "kaleyra-in: 2 of 2 failed in the last hour, too few messages to judge"
    );
    // No issue: neither an alert nor a colour.
    assert!(headline.is_healthy());
    app.stop().await;
}

#[actix_web::test]
async fn every_account_with_trouble_is_named_the_worst_first() {
    let app = start_with_history().await;
    let quick = TimeDelta::seconds(6);
    let failing = OutcomeCounts {
        failed: 6,
        ..OutcomeCounts::default()
    };
    add_messages(&app, KALEYRA, within_the_last_hour(), failing, quick).await;
    // Usually 5 %.
    let doubled = OutcomeCounts {
        delivered: 180,
        failed: 20,
        unreported: 0,
    };
    add_messages(&app, SOBOT, within_the_last_hour(), doubled, quick).await;
    let silent = OutcomeCounts {
        unreported: 8,
        ..OutcomeCounts::default()
    };
    add_messages(&app, ZIXFLOW, within_the_last_hour(), silent, quick).await;
    let slow = OutcomeCounts {
        delivered: 20,
        ..OutcomeCounts::default()
    };
    add_messages(
        &app,
        LANCEPILOT,
        within_the_last_hour(),
        slow,
        TimeDelta::seconds(240),
    )
    .await;

    let issues = issues(&app).await;
    let texts: Vec<&str> = issues
        .iter()
        .map(|it| it["text"].as_str().unwrap())
        .collect();
    assert_eq!(
        texts,
        [
            "kaleyra-in: 100 % failed in the last hour (usually 5 %)",
            "sobot-main: 10 % failed in the last hour (usually 5 %)",
            "zixflow-main: nothing received for 26 min while 8 messages were sent",
            "lancepilot-br: half take 4 min to be delivered, usually 6 s",
        ]
    );
    for (account, word) in [
        (KALEYRA, "failing"),
        (SOBOT, "failing"),
        (ZIXFLOW, "silent"),
        (LANCEPILOT, "slow"),
    ] {
        assert_eq!(health(&app, account).await, word, "{account}");
    }
    let stats = app.get_ok("/api/v1/stats").await;
    assert_eq!(stats["headline"]["healthy"], false);
    assert_eq!(page_headline(&app).await, stats["headline"]["text"]);
    // The link leads to the failed messages of the last hour, not to those of days ago.
    let path = issues[0]["path"].as_str().unwrap();
    let listed = app.get_ok(&format!("/api/v1{path}")).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 6);
}

#[actix_web::test]
async fn reports_that_were_lost_since_yesterday_are_named_with_their_messages() {
    let app = start_with_history().await;
    let yesterday = noon() - TimeDelta::hours(26);
    for (account, delivered, unreported) in [(ZIXFLOW, 82, 18), (SOBOT, 98, 2)] {
        let sent = OutcomeCounts {
            delivered,
            unreported,
            ..OutcomeCounts::default()
        };
        add_messages(&app, account, yesterday, sent, TimeDelta::seconds(6)).await;
    }
    let issues = issues(&app).await;
    assert_eq!(issues.len(), 1, "{issues:?}");
    assert_eq!(issues[0]["kind"], "lost_reports");
    assert_eq!(
        issues[0]["text"],
        "zixflow-main: no report on 18 % of the messages since yesterday (usually 0 %)"
    );
    let path = issues[0]["path"].as_str().unwrap();
    let listed = app.get_ok(&format!("/api/v1{path}")).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 18);
    assert_eq!(page_headline(&app).await, issues[0]["text"]);
    // The day after tomorrow it is no longer news.
    app.advance(TimeDelta::days(2));
    let headline = headline_without_alarms(&app).await;
    assert!(headline.issues.iter().all(|it| it.kind != "lost_reports"));
}

#[actix_web::test]
async fn a_lowered_quality_or_limit_is_named_until_it_is_taken_back() {
    let app = start_with_history().await;
    let notice = |event: &str| {
        json!({ "entry": [{ "changes": [{
            "field": "phone_number_quality_update",
            "value": { "display_phone_number": "919000000001", "event": event, "current_limit": "TIER_1K" },
        }] }] })
    };
    for (event, expected, word) in [
        (
            "FLAGGED",
            "sobot-main: quality rating flagged on 20 November",
            "quality lowered",
        ),
        ("UNFLAGGED", "All accounts healthy", "ok"),
        (
            "DOWNGRADE",
            "sobot-main: messaging limit downgrade on 20 November, now TIER_1K",
            "limit lowered",
        ),
        ("UPGRADE", "All accounts healthy", "ok"),
    ] {
        app.advance(TimeDelta::minutes(1));
        app.deliver_callback(SOBOT, &notice(event)).await;
        app.apply_callbacks().await;
        assert_eq!(
            headline_without_alarms(&app).await.text,
            expected,
            "{event}"
        );
        let page = app.request("GET", "/accounts").send().await.unwrap();
        let page = Html::parse_document(&page.text().await.unwrap());
        let tag = format!("[aria-labelledby='account-{SOBOT}'] .health");
        let tag = page.select(&Selector::parse(&tag).unwrap()).next().unwrap();
        assert_eq!(tag.text().collect::<String>(), word, "{event}");
    }
    app.deliver_callback(SOBOT, &notice("FLAGGED")).await;
    app.apply_callbacks().await;
    app.advance(TimeDelta::days(8));
    assert!(headline_without_alarms(&app).await.is_healthy());
}

#[actix_web::test]
async fn an_account_that_sends_nothing_is_the_worst() {
    let app = start_with_history().await;
    let failing = OutcomeCounts {
        failed: 6,
        ..OutcomeCounts::default()
    };
    add_messages(
        &app,
        KALEYRA,
        within_the_last_hour(),
        failing,
        TimeDelta::seconds(1),
    )
    .await;
    let reason = json!({ "reason": "+44 7700 900123 complained" });
    let path = format!("/api/v1/accounts/{SOBOT}/pause");
    assert_eq!(app.post_json(&path, &reason).await.0, 204);
    let found = issues(&app).await;
    let text = found[0]["text"].as_str().unwrap();
    assert!(
        text.starts_with("sobot-main: paused since 20 November 12:26 UTC"),
        "{text}"
    );
    assert!(!text.contains("900123"), "{text}");
    assert_eq!(found.len(), 2);
}

#[actix_web::test]
async fn a_message_counts_when_it_is_first_submitted() {
    let app = start_app_with(|_, accounts| {
        for account in accounts {
            account.max_queue_time = std::time::Duration::from_hours(5);
        }
    })
    .await;
    let pause = format!("/api/v1/accounts/{SOBOT}/pause");
    let reason = json!({ "reason": "maintenance" });
    assert_eq!(app.post_json(&pause, &reason).await.0, 204);
    app.send_image(SOBOT).await;
    let hours = async || {
        let stats = app.get_ok("/api/v1/stats?from=2026-11-20T12:00:00Z&to=2026-11-20T18:00:00Z");
        let stats = stats.await;
        let buckets = stats["data"].as_array().unwrap();
        let at = buckets
            .iter()
            .map(|it| it["at"].as_str().unwrap().to_owned());
        at.collect::<Vec<_>>()
    };
    assert_eq!(hours().await, ["2026-11-20T12:00:00.000Z"]);
    app.advance(TimeDelta::hours(2));
    assert_eq!(
        app.post(&format!("/api/v1/accounts/{SOBOT}/resume"))
            .await
            .0,
        204
    );
    app.run_jobs_until_idle().await;
    app.deliver_simulated().await;
    app.run_jobs_until_idle().await;
    let counted = hours().await;
    assert!(
        counted.contains(&"2026-11-20T14:00:00.000Z".to_owned()),
        "{counted:?}"
    );
    let stats = app
        .get_ok("/api/v1/stats?from=2026-11-20T14:00:00Z&to=2026-11-20T15:00:00Z")
        .await;
    assert_eq!(stats["data"][0]["states"], json!({ "read": 1 }));
    // Compares the counts with a recount.
    app.finish().await;
}

#[actix_web::test]
async fn an_account_whose_callbacks_never_arrive_is_not_healthy() {
    let app = start_app().await;
    let unanswered = OutcomeCounts {
        unreported: 7,
        ..OutcomeCounts::default()
    };
    add_messages(&app, ZIXFLOW, noon(), unanswered, TimeDelta::zero()).await;
    app.advance(TimeDelta::minutes(26));
    assert_eq!(
        page_headline(&app).await,
        "zixflow-main: no callback was ever received, although 7 messages were submitted"
    );
    app.finish().await;
}
