//! Sending under load: rates, providers that ask to slow down, providers that fail, pauses.
//!
//! Rates and waits are tested with the simulated clock, except where a test says that it runs in
//! real time.
//!
//! `FLOW_MESSAGES=1000` sends as many messages to each provider that slows down or fails, instead of a few; with
//! `--nocapture` the figures are printed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bluetick::app;
use bluetick::domain::clock::SystemClock;
use bluetick::domain::provider_account::Account;
use bluetick::jobs::Jobs;
use bluetick::simulator::{ForcedReply, RateLimit, Settings, Simulator};
use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::addresses::RefusingSocket;
use crate::harness::app::{
    App, KALEYRA, LANCEPILOT, SOBOT, ZIXFLOW, image_to, provider_of, start_app, start_app_with,
};
use crate::harness::waiting;

/// Sends messages to as many different recipients.
async fn send_many(app: &App, account: &str, number: usize) -> Vec<String> {
    let bodies: Vec<Value> = (0..number)
        .map(|n| image_to(account, &format!("+4477009{:05}", n % 100_000)))
        .collect();
    let mut ids = Vec::new();
    for chunk in bodies.chunks(50) {
        ids.extend(join_all(chunk.iter().map(|body| app.send(body))).await);
    }
    ids
}

/// How many messages a provider gets that slows down or fails.
fn messages_or(few: usize) -> usize {
    std::env::var("FLOW_MESSAGES").map_or(few, |number| number.parse().unwrap())
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
fn ratio(number: usize, of: usize) -> f64 {
    number as f64 / of as f64
}

/// How many messages of an account are in each state.
async fn states(app: &App, account: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let mut path = format!("/api/v1/messages?account={account}&limit=200");
    loop {
        let page = app.get_ok(&path).await;
        for message in page["data"].as_array().unwrap() {
            *found
                .entry(message["state"].as_str().unwrap().to_owned())
                .or_default() += 1;
        }
        let Some(next) = page["next_cursor"].as_str() else {
            return found;
        };
        path = format!("/api/v1/messages?account={account}&limit=200&cursor={next}");
    }
}

async fn account(app: &App, id: &str) -> Value {
    let accounts = app.get_ok("/api/v1/accounts").await;
    let mut all = accounts["data"].as_array().unwrap().iter();
    all.find(|account| account["id"] == id).unwrap().clone()
}

/// Submits what may be submitted now.
async fn submit_due(app: &App) -> usize {
    let claimed = app.services.dispatcher.claim_due().await.unwrap();
    let number = claimed.len();
    join_all(
        claimed
            .into_iter()
            .map(|work| app.services.dispatcher.submit(work)),
    )
    .await;
    number
}

/// Submits what may be submitted now, one after the other, so that the answers come in the order of the requests.
async fn submit_due_in_order(app: &App) -> usize {
    let claimed = app.services.dispatcher.claim_due().await.unwrap();
    let number = claimed.len();
    for work in claimed {
        app.services.dispatcher.submit(work).await;
    }
    number
}

/// Lets time pass in steps and submits at each whatever is due.
async fn pass(app: &App, time: TimeDelta, step: TimeDelta) {
    let end = app.now() + time;
    while app.now() < end {
        while submit_due(app).await > 0 {}
        app.advance(step);
    }
    app.services.dispatcher.sweep().await.unwrap();
}

// --- Slowing down --------------------------------------------------------------

#[actix_web::test]
async fn everything_is_submitted_about_as_fast_as_the_provider_allows() {
    let messages = messages_or(400);
    for retry_after in [Some(1), None] {
        let app = start_app().await;
        let limit = RateLimit::new(20.0, retry_after);
        app.simulator
            .set_rate_limit(provider_of(SOBOT), Some(limit));
        send_many(&app, SOBOT, messages).await;
        let begin = app.now();
        let ideal = ratio(messages, 20);
        let mut seen_slowed = false;
        while submitted(&app) < messages {
            while submit_due_in_order(&app).await > 0 {}
            app.advance(TimeDelta::milliseconds(25));
            let seconds = (app.now() - begin).as_seconds_f64();
            assert!(seconds < ideal * 6.0, "{retry_after:?}");
            if !seen_slowed && app.received(SOBOT).len() > 30 {
                let shown = account(&app, SOBOT).await;
                seen_slowed = true;
                assert!(shown["effective_rate"].as_f64().unwrap() <= 21.0, "{shown}");
                let reason = shown["effective_rate_reason"].as_str().unwrap();
                assert!(reason.contains("429"), "{shown}");
            }
        }
        let seconds = (app.now() - begin).as_seconds_f64();
        let calls = app.received(SOBOT).len();
        eprintln!(
            "429 with retry-after {retry_after:?}: {messages} messages in {:.2} of the ideal time, {:.2} calls each",
            seconds / ideal,
            ratio(calls, messages)
        );
        assert!(seconds <= ideal * 1.3, "{seconds} s with {retry_after:?}");
        assert!(calls <= messages * 6 / 5, "{calls} calls");
        assert_eq!(states(&app, SOBOT).await["submitted"], messages);
        app.finish().await;
    }
}

fn submitted(app: &App) -> usize {
    app.simulator.accepted(provider_of(SOBOT))
}

#[actix_web::test]
async fn retry_after_holds_the_whole_account_and_uses_up_no_attempt() {
    let app = start_app().await;
    let ids = send_many(&app, SOBOT, 8).await;
    for _ in 0..20 {
        let slow = ForcedReply::json(429, &json!({ "message": "slow down" }));
        app.force(SOBOT, slow.with_header("retry-after", "30"));
    }
    // More requests to slow down than a message has attempts.
    for _ in 0..10 {
        submit_due(&app).await;
        let calls = app.received(SOBOT).len();
        pass(&app, TimeDelta::seconds(29), TimeDelta::seconds(1)).await;
        assert_eq!(app.received(SOBOT).len(), calls, "the account is held");
        app.advance(TimeDelta::seconds(1));
    }
    pass(&app, TimeDelta::minutes(10), TimeDelta::seconds(1)).await;
    let mut postponed = 0;
    for id in &ids {
        let shown = app.message(id).await;
        assert_eq!(shown["state"], "submitted", "{shown}");
        let attempts = shown["attempts"].as_array().unwrap();
        assert_eq!(attempts.last().unwrap()["outcome"], "accepted", "{shown}");
        postponed += attempts.len() - 1;
    }
    assert_eq!(postponed, 20, "every attempt stays in the history");
    app.finish().await;
}

#[actix_web::test]
async fn an_acceptance_does_not_end_what_retry_after_asked_for() {
    let app = start_app().await;
    send_many(&app, SOBOT, 3).await;
    let slow = ForcedReply::json(429, &json!({ "message": "slow down" }));
    app.force(SOBOT, slow.with_header("retry-after", "30"));
    // The others are in flight.
    assert!(submit_due(&app).await >= 2);
    let calls = app.received(SOBOT).len();
    assert!(calls >= 2);
    send_many(&app, SOBOT, 3).await;
    pass(&app, TimeDelta::seconds(28), TimeDelta::seconds(1)).await;
    assert_eq!(app.received(SOBOT).len(), calls, "the account is held");
    assert!(account(&app, SOBOT).await["effective_rate_reason"].is_string());
    pass(&app, TimeDelta::minutes(5), TimeDelta::seconds(1)).await;
    assert_eq!(states(&app, SOBOT).await["submitted"], 6);
    app.finish().await;
}

#[actix_web::test]
async fn what_was_claimed_before_a_request_to_slow_down_is_not_called() {
    let app = start_app().await;
    let ids = send_many(&app, SOBOT, 4).await;
    let slow = ForcedReply::json(429, &json!({ "message": "slow down" }));
    app.force(SOBOT, slow.with_header("retry-after", "30"));
    assert_eq!(submit_due_in_order(&app).await, 4);
    assert_eq!(app.received(SOBOT).len(), 1, "the others had not begun");
    assert_eq!(states(&app, SOBOT).await["queued"], 4);
    pass(&app, TimeDelta::minutes(1), TimeDelta::seconds(1)).await;
    assert_eq!(states(&app, SOBOT).await["submitted"], 4);
    assert_eq!(app.received(SOBOT).len(), 5);
    for id in &ids {
        let shown = app.message(id).await;
        let attempts = shown["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 2, "{shown}");
        assert_eq!(attempts[0]["outcome"], "postponed", "{shown}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_429_of_zixflow_slows_down_even_if_its_text_names_the_plan() {
    let app = start_app().await;
    let text = json!({ "status": false, "message": "API rate limit of your plan exceeded" });
    app.force(ZIXFLOW, ForcedReply::json(429, &text));
    send_many(&app, ZIXFLOW, 1).await;
    submit_due(&app).await;
    assert_eq!(account(&app, ZIXFLOW).await["pause_reason"], Value::Null);
    pass(&app, TimeDelta::minutes(1), TimeDelta::seconds(1)).await;
    assert_eq!(states(&app, ZIXFLOW).await["submitted"], 1);
    app.finish().await;
}

#[actix_web::test]
async fn a_recipient_with_too_many_messages_waits_alone() {
    let app = start_app().await;
    let pair = json!({ "message": "pair rate limit", "code": 131_056 });
    app.force(SOBOT, ForcedReply::json(400, &pair));
    let held = app.send(&image_to(SOBOT, "+447700900001")).await;
    submit_due(&app).await;
    let second = app.send(&image_to(SOBOT, "+447700900001")).await;
    let other = app.send(&image_to(SOBOT, "+447700900002")).await;
    submit_due(&app).await;
    let found = [&held, &second, &other].map(|id| app.state(id));
    assert_eq!(join_all(found).await, ["queued", "queued", "submitted"]);
    pass(&app, TimeDelta::seconds(10), TimeDelta::seconds(1)).await;
    let found = [&held, &second].map(|id| app.state(id));
    assert_eq!(join_all(found).await, ["submitted", "submitted"]);
    assert_eq!(account(&app, SOBOT).await["health"], "unconfigured");
    app.finish().await;
}

// --- Failing providers ------------------------------------------------------------

/// A provider that fails in one way, and what its account shows then.
struct Failing {
    name: &'static str,
    account: &'static str,
    reply: ForcedReply,
    health: &'static str,
}

fn failing_providers() -> Vec<Failing> {
    let failing = |name, account, reply, health| Failing {
        name,
        account,
        reply,
        health,
    };
    let text = |status, words: &str| ForcedReply::json(status, &json!({ "message": words }));
    vec![
        failing(
            "502",
            SOBOT,
            ForcedReply::raw(502, "text/html", "bad"),
            "tripped",
        ),
        failing("hang", LANCEPILOT, ForcedReply::silence(), "tripped"),
        failing("closed", ZIXFLOW, ForcedReply::hang_up(), "tripped"),
        failing("401", ZIXFLOW, text(401, "Unauthorised"), "paused"),
        failing("403", KALEYRA, text(403, "Forbidden"), "paused"),
        failing("404", SOBOT, text(404, "Not found"), "tripped"),
        failing(
            "404 of the workspace",
            LANCEPILOT,
            text(404, "Resource not found."),
            "paused",
        ),
        failing(
            "301",
            KALEYRA,
            ForcedReply::redirect(301, "https://x.example"),
            "paused",
        ),
        failing(
            "no balance",
            SOBOT,
            text(400, "Insufficient balance"),
            "paused",
        ),
        failing(
            "one code for all",
            ZIXFLOW,
            ForcedReply::json(
                400,
                &json!({ "status": false, "code": 131_031, "message": "locked" }),
            ),
            "tripped",
        ),
    ]
}

#[actix_web::test]
async fn a_failing_provider_costs_at_most_twenty_messages_and_the_rest_is_sent_after_it() {
    let messages = messages_or(40);
    for failing in failing_providers() {
        let (name, id) = (failing.name, failing.account);
        let app = start_app_with(|_, accounts| {
            for account in accounts {
                account.max_queue_time = Duration::from_hours(48);
                if name == "hang" {
                    account.timeout = Duration::from_millis(100);
                }
            }
        })
        .await;
        let provider = provider_of(id);
        app.simulator.set_outage(provider, Some(failing.reply));
        send_many(&app, id, messages).await;
        pass(&app, TimeDelta::minutes(10), TimeDelta::seconds(15)).await;
        let shown = account(&app, id).await;
        assert_eq!(shown["health"], failing.health, "{name}: {shown}");
        let stats = app.get_ok("/api/v1/stats").await;
        let mut issues = stats["headline"]["issues"].as_array().unwrap().iter();
        let named = issues.any(|issue| issue["kind"] == failing.health && issue["account"] == id);
        assert!(named, "{name}: {stats}");
        let problems = app.get_ok("/api/v1/problems").await;
        let [alarm] = app.alarms().await.try_into().unwrap();
        assert_eq!(alarm["alarm"], "account_tripped", "{name}: {alarm}");
        assert_eq!(alarm["account"], id, "{name}: {alarm}");
        if failing.health == "tripped" {
            assert_eq!(problems["tripped_accounts"], 1, "{name}");
            assert!(shown["trip_reason"].is_string(), "{name}: {shown}");
            assert!(shown["last_reply"].is_string(), "{name}: {shown}");
            let page = app.request("GET", "/metrics").send().await.unwrap();
            let line = format!("bluetick_account_tripped{{account=\"{id}\"}} 1");
            assert!(page.text().await.unwrap().contains(&line), "{name}");
        } else {
            assert_eq!(problems["paused_accounts"], 1, "{name}");
            assert_eq!(shown["paused_by"], "provider", "{name}: {shown}");
            let reason = shown["pause_reason"].as_str().unwrap();
            let text = alarm["message"].as_str().unwrap();
            assert!(text.contains(reason), "{name}: {text}");
            assert!(text.contains("then resume the account"), "{name}: {text}");
        }
        // For as long as it lasts.
        pass(&app, TimeDelta::hours(3), TimeDelta::seconds(150)).await;
        let found = states(&app, id).await;
        let spent = messages - found["queued"];
        assert!(spent <= 20, "{name}: {found:?}");
        let calls = app.received(id).len();
        eprintln!("{name}: {messages} messages, {calls} calls, {spent} spent");

        app.simulator.set_outage(provider, None);
        // An answer may take as long as a busy machine needs.
        let patient = |account: &mut Account| account.timeout = Duration::from_secs(30);
        let app = app
            .restart_with(|accounts| accounts.iter_mut().for_each(patient))
            .await;
        if account(&app, id).await["health"] == "paused" {
            let resume = format!("/api/v1/accounts/{id}/resume");
            assert_eq!(app.post(&resume).await.0, 204, "{name}");
        }
        pass(&app, TimeDelta::minutes(6), TimeDelta::seconds(5)).await;
        let found = states(&app, id).await;
        assert_eq!(found["submitted"], messages - spent, "{name}: {found:?}");
        assert_eq!(app.received(id).len(), calls + messages - spent, "{name}");
        assert_eq!(account(&app, id).await["health"], "unconfigured", "{name}");
        assert!(app.alarms().await.is_empty(), "{name}");
        app.finish().await;
    }
}

#[actix_web::test]
async fn an_hour_without_a_connection_costs_no_message() {
    let messages = messages_or(30);
    let nowhere = RefusingSocket::new();
    let app = start_app_with(|_, accounts| {
        accounts[0].base_url = Some(nowhere.url());
        accounts[0].max_queue_time = Duration::from_hours(2);
    })
    .await;
    send_many(&app, SOBOT, messages).await;
    pass(&app, TimeDelta::hours(1), TimeDelta::seconds(10)).await;
    assert_eq!(states(&app, SOBOT).await["queued"], messages);
    let shown = account(&app, SOBOT).await;
    assert_eq!(shown["health"], "tripped", "{shown}");
    assert!(
        shown["last_reply"].as_str().unwrap().contains("refused"),
        "{shown}"
    );
    assert_eq!(app.alarms().await[0]["alarm"], "account_tripped");
    // The state outlives the process.
    let app = app.restart().await;
    assert_eq!(account(&app, SOBOT).await["health"], "tripped");
    let (code, text) = warning(&app, SOBOT).await;
    assert_eq!(code, "account_tripped", "{text}");
    assert_eq!(submit_due(&app).await, 0);
    app.advance(TimeDelta::minutes(5));
    assert_eq!(submit_due(&app).await, 1, "one message is a probe");
    assert_eq!(submit_due(&app).await, 0);

    let listener = nowhere.listen();
    let simulator = Simulator::start(Settings::default(), listener).unwrap();
    pass(&app, TimeDelta::minutes(6), TimeDelta::seconds(5)).await;
    assert_eq!(states(&app, SOBOT).await["submitted"], messages + 1);
    assert_eq!(account(&app, SOBOT).await["health"], "unconfigured");
    assert!(app.alarms().await.is_empty());
    eprintln!("refused connection: {messages} messages, none spent");
    simulator.stop().await.unwrap();
    app.finish().await;
}

// --- Pauses and warnings ------------------------------------------------------------

/// Sends a message; the code and text of its first warning that is not about the window.
async fn warning(app: &App, account: &str) -> (String, String) {
    let body = image_to(account, "+447700900777");
    let (status, reply) = app.post_json("/api/v1/messages", &body).await;
    assert_eq!(status, 202, "{reply}");
    let warnings = reply["warnings"].as_array().cloned().unwrap_or_default();
    let found = warnings
        .iter()
        .find(|warning| warning["code"] != "window_closed");
    let text = |name: &str| {
        let value = found.and_then(|warning| warning[name].as_str());
        value.unwrap_or_default().to_owned()
    };
    (text("code"), text("message"))
}

#[actix_web::test]
async fn a_paused_account_sends_nothing_until_it_is_resumed() {
    let app = start_app().await;
    let pause = format!("/api/v1/accounts/{SOBOT}/pause");
    let reason = json!({ "reason": "wrong picture in the campaign" });
    assert_eq!(app.post_json(&pause, &reason).await.0, 204);
    let (status, body) = app.post_json(&pause, &reason).await;
    assert_eq!((status, body["code"].as_str()), (409, Some("not_possible")));
    let (status, body) = app
        .post_json(&pause, &json!({ "reason": "x".repeat(1001) }))
        .await;
    assert_eq!(
        (status, body["errors"][0]["field"].as_str()),
        (422, Some("reason"))
    );
    assert_eq!(app.post("/api/v1/accounts/no-such/pause").await.0, 404);
    let (code, text) = warning(&app, SOBOT).await;
    assert_eq!(code, "account_paused");
    assert!(text.contains("wrong picture"), "{text}");
    pass(&app, TimeDelta::seconds(30), TimeDelta::seconds(1)).await;
    assert!(app.received(SOBOT).is_empty());
    let shown = account(&app, SOBOT).await;
    assert_eq!(shown["health"], "paused");
    assert_eq!(shown["pause_reason"], "wrong picture in the campaign");
    assert_eq!(shown["paused_by"], "operator");
    assert!(app.alarms().await.is_empty(), "an operator knows of it");
    let resume = format!("/api/v1/accounts/{SOBOT}/resume");
    assert_eq!(app.post(&resume).await.0, 204);
    submit_due(&app).await;
    assert_eq!(app.received(SOBOT).len(), 1);
    assert_eq!(warning(&app, SOBOT).await.0, "");
    app.finish().await;
}

#[actix_web::test]
async fn what_was_claimed_before_a_pause_is_not_called_and_keeps_its_place() {
    let app = start_app().await;
    let ids = send_many(&app, SOBOT, 4).await;
    let claimed = app.services.dispatcher.claim_due().await.unwrap();
    assert_eq!(claimed.len(), 4);
    let pause = format!("/api/v1/accounts/{SOBOT}/pause");
    let reason = json!({ "reason": "wrong media" });
    assert_eq!(app.post_json(&pause, &reason).await.0, 204);
    // The dispatcher learns of it when it claims again.
    assert_eq!(submit_due(&app).await, 0);
    let dispatcher = &app.services.dispatcher;
    join_all(claimed.into_iter().map(|work| dispatcher.submit(work))).await;
    assert!(app.received(SOBOT).is_empty());
    for id in &ids {
        let shown = app.message(id).await;
        assert_eq!(shown["state"], "queued", "{shown}");
        let detail = shown["attempts"][0]["detail"].as_str().unwrap();
        assert!(detail.contains("nothing was sent"), "{detail}");
    }
    let resume = format!("/api/v1/accounts/{SOBOT}/resume");
    assert_eq!(app.post(&resume).await.0, 204);
    assert_eq!(submit_due(&app).await, 4);
    assert_eq!(states(&app, SOBOT).await["submitted"], 4);
    assert_eq!(app.received(SOBOT).len(), 4);
    app.finish().await;
}

#[actix_web::test]
async fn a_message_that_cannot_be_sent_in_time_is_accepted_with_a_warning() {
    let app = start_app_with(|_, accounts| {
        accounts[0].rate = Some(0.5);
        accounts[0].max_queue_time = Duration::from_secs(20);
    })
    .await;
    assert_eq!(warning(&app, SOBOT).await.0, "");
    send_many(&app, SOBOT, 11).await;
    app.advance(TimeDelta::seconds(3));
    let (code, text) = warning(&app, SOBOT).await;
    assert_eq!(code, "will_expire");
    assert!(
        text.contains("12 messages") && text.contains("0.5 a second"),
        "{text}"
    );
    app.finish().await;
}

// --- Real time ------------------------------------------------------------------

/// Sends messages with the jobs of a process, on the machine's clock; at no time are more sent than the rate allows.
async fn send_in_real_time(rate: f64, messages: usize) {
    let app = start_app_with(|_, accounts| {
        accounts[0].rate = Some(rate);
        accounts[0].max_queue_time = Duration::from_hours(24 * 3_650);
    })
    .await;
    send_many(&app, SOBOT, messages).await;
    let config = (*app.services.config).clone();
    let services = app::open(config, Arc::new(SystemClock)).await.unwrap();
    let jobs = Jobs::new(&services);
    let begin = Instant::now();
    jobs.start();
    let mut sent = 0;
    while sent < messages {
        waiting::pause().await;
        sent = app.received(SOBOT).len();
        let passed = begin.elapsed();
        let most = rate * passed.as_secs_f64() + 1.0;
        let number = f64::from(u32::try_from(sent).unwrap());
        assert!(number <= most, "{sent} at {rate} a second in {passed:?}");
        // Only a standstill takes so long, however busy the machine is.
        assert!(passed < Duration::from_mins(1), "{sent} in {passed:?}");
    }
    jobs.stop_claiming();
    jobs.finish(Duration::from_secs(15)).await;
    app::close(services).await;
    app.finish().await;
}

#[actix_web::test]
async fn a_rate_is_never_exceeded_in_real_time() {
    for (rate, messages) in [(5.0, 11), (80.0, 161), (120.0, 241)] {
        send_in_real_time(rate, messages).await;
    }
}

#[actix_web::test]
async fn accounts_with_the_same_rate_share_no_slots() {
    let with_rate = |account: &mut Account| account.rate = Some(1.0);
    let app = start_app_with(|_, accounts| accounts.iter_mut().for_each(with_rate)).await;
    for account in [SOBOT, KALEYRA] {
        send_many(&app, account, 3).await;
    }
    submit_due(&app).await;
    assert_eq!(app.received(SOBOT).len(), 1);
    assert_eq!(app.received(KALEYRA).len(), 1);
    app.finish().await;
}
