//! Retries, and the decisions of operators about a message.

use std::time::Duration;

use bluetick::simulator::ForcedReply;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::addresses::RefusingSocket;
use crate::harness::app::{
    ACCOUNTS, App, CUSTOMER, KALEYRA, LANCEPILOT, SOBOT, ZIXFLOW, message, start_app,
    start_app_with,
};
use crate::harness::waiting;

/// The outcomes of a message's attempts, oldest first.
fn outcomes(message: &Value) -> Vec<&str> {
    message["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| attempt["outcome"].as_str().unwrap())
        .collect()
}

/// Advances the clock by a day in hours and runs due jobs after each.
async fn let_a_day_pass(app: &App) {
    for _ in 0..24 {
        app.advance(TimeDelta::hours(1));
        app.run_jobs_until_idle().await;
    }
}

// --- Retried ---------------------------------------------------------------

#[actix_web::test]
async fn a_refused_connection_is_tried_again_with_growing_pauses_until_send_before() {
    let refusing = RefusingSocket::new();
    let app = start_app_with(|_, accounts| accounts[0].base_url = Some(refusing.url())).await;
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "queued");
    assert!(
        shown["hold"].as_str().unwrap().contains("refused"),
        "{shown}"
    );
    // After the fifth attempt the account only probes: after 30 s, then twice as long each time.
    let waits = [1..=2, 4..=8, 16..=32, 64..=128, 30..=30, 60..=60, 120..=120];
    for (attempt, wait) in (2..).zip(waits) {
        let mut seconds = 0;
        while outcomes(&app.message(&id).await).len() < attempt {
            app.advance(TimeDelta::seconds(1));
            app.run_jobs_until_idle().await;
            seconds += 1;
            assert!(seconds <= 600, "attempt {attempt} never came");
        }
        assert!(
            wait.contains(&seconds),
            "attempt {attempt} came after {seconds} s"
        );
    }
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "queued", "no attempt is used up");
    app.advance(TimeDelta::hours(1));
    app.run_jobs_until_idle().await;
    let shown = app.message(&id).await;
    assert_eq!(shown["failure"]["class"], "expired");
    let detail = shown["failure"]["detail"].as_str().unwrap();
    assert!(detail.contains("refused"), "{detail}");
    app.finish().await;
}

#[actix_web::test]
async fn a_message_that_waits_longer_than_send_before_expires() {
    let refusing = RefusingSocket::new();
    let app = start_app_with(|_, accounts| {
        accounts[0].base_url = Some(refusing.url());
        accounts[0].max_queue_time = Duration::from_secs(3);
    })
    .await;
    let id = app.send_image(SOBOT).await;
    for _ in 0..5 {
        app.run_jobs_until_idle().await;
        app.advance(TimeDelta::seconds(1));
    }
    app.run_jobs_until_idle().await;
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "failed");
    assert_eq!(shown["failure"]["class"], "expired");
    assert!(
        shown["failure"]["detail"]
            .as_str()
            .unwrap()
            .contains("refused")
    );
    app.finish().await;
}

#[actix_web::test]
async fn a_message_that_expired_while_no_process_ran_is_never_submitted() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    app.advance(TimeDelta::hours(2));
    // The worker comes before the sweep.
    let claimed = app.services.dispatcher.claim_due().await.unwrap();
    assert!(claimed.is_empty());
    app.run_jobs_until_idle().await;
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "failed");
    assert_eq!(shown["failure"]["class"], "expired");
    assert!(app.received(SOBOT).is_empty());
    app.finish().await;
}

#[actix_web::test]
async fn a_429_is_tried_again_after_the_time_it_names() {
    let app = start_app().await;
    for account in ACCOUNTS {
        app.force(
            account,
            ForcedReply::json(429, &json!({ "message": "Too Many Attempts." }))
                .with_header("retry-after", "60"),
        );
        let id = app.send_image(account).await;
        app.run_jobs_until_idle().await;
        assert_eq!(app.state(&id).await, "queued", "{account}");
        app.advance(TimeDelta::seconds(59));
        app.run_jobs_until_idle().await;
        assert_eq!(app.received(account).len(), 1, "{account}");
        app.advance(TimeDelta::seconds(1));
        app.run_jobs_until_idle().await;
        let shown = app.message(&id).await;
        assert_eq!(shown["state"], "submitted", "{account}");
        assert_eq!(outcomes(&shown), ["postponed", "accepted"]);
        assert!(shown.get("failure").is_none(), "a retried refusal is none");
        assert!(shown.get("hold").is_none());
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_503_with_retry_after_is_retried() {
    let app = start_app().await;
    app.force(
        SOBOT,
        ForcedReply::raw(503, "text/html", "busy").with_header("retry-after", "5"),
    );
    let named = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&named).await, "queued");
    app.advance(TimeDelta::seconds(5));
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&named).await, "submitted");
    app.finish().await;
}

#[actix_web::test]
async fn kaleyras_wa500_is_tried_after_5_10_and_15_minutes_and_then_fails() {
    let app = start_app().await;
    let wa500 = json!({ "code": "WA500", "message": "Please try again later", "data": {}, "error": { "error": "Internal server error" } });
    for _ in 0..4 {
        app.force(KALEYRA, ForcedReply::json(500, &wa500));
    }
    let id = app.send_image(KALEYRA).await;
    app.run_jobs_until_idle().await;
    for (sent, minutes) in [(1, 5), (2, 10), (3, 15)] {
        assert_eq!(app.state(&id).await, "queued");
        app.advance(TimeDelta::minutes(minutes) - TimeDelta::seconds(1));
        app.run_jobs_until_idle().await;
        assert_eq!(app.received(KALEYRA).len(), sent);
        app.advance(TimeDelta::seconds(1));
        app.run_jobs_until_idle().await;
        assert_eq!(app.received(KALEYRA).len(), sent + 1);
    }
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "failed");
    assert_eq!(shown["failure"]["code"], "WA500");
    let_a_day_pass(&app).await;
    assert_eq!(app.received(KALEYRA).len(), 4);
    app.finish().await;
}

#[actix_web::test]
async fn a_report_ends_the_wait_for_another_attempt() {
    let app = start_app().await;
    // The provider says no and takes the message all the same.
    app.force(
        KALEYRA,
        ForcedReply::json(429, &json!({ "message": "slow down" })).although_accepted(),
    );
    let id = app.send_image(KALEYRA).await;
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&id).await, "queued");
    app.deliver_simulated().await;
    assert_eq!(app.state(&id).await, "read");
    let_a_day_pass(&app).await;
    assert_eq!(app.received(KALEYRA).len(), 1, "sent twice");
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "read");
    assert_eq!(shown["conflict"], false, "{shown}");
    assert!(shown.get("hold").is_none());
    app.finish().await;
}

#[actix_web::test]
async fn a_report_during_the_submission_ends_the_wait_too() {
    let app = start_app().await;
    app.force(
        ZIXFLOW,
        ForcedReply::json(429, &json!({ "message": "slow down" })).although_accepted(),
    );
    let id = app.send_image(ZIXFLOW).await;
    let claimed = app.services.dispatcher.claim_due().await.unwrap();
    let token = app
        .services
        .keys
        .report_token(&ZIXFLOW.parse().unwrap(), id.parse().unwrap());
    let reply = app
        .client
        .post(app.url(&format!("/reports/{token}")))
        .json(&json!({ "status": "failed", "errorCode": "131053" }))
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 200);
    app.apply_callbacks().await;
    for work in claimed {
        app.services.dispatcher.submit(work).await;
    }
    let_a_day_pass(&app).await;
    assert_eq!(app.received(ZIXFLOW).len(), 1, "sent twice");
    assert_eq!(app.message(&id).await["failure"]["code"], "131053");
    app.finish().await;
}

// --- Never retried ----------------------------------------------------------

#[actix_web::test]
async fn an_unclear_answer_is_uncertain_and_no_second_call_is_ever_made() {
    let replies = || {
        [
            ForcedReply::json(500, &json!({ "message": "Server Error" })),
            ForcedReply::raw(502, "text/html", "<h1>Bad Gateway</h1>"),
            ForcedReply::raw(503, "text/html", "busy"),
            ForcedReply::raw(504, "text/html", ""),
            ForcedReply::raw(200, "text/html", "<html>hello"),
            ForcedReply::raw(200, "application/json", ""),
            ForcedReply::raw(201, "application/json", "{\"data\":"),
            ForcedReply::hang_up(),
        ]
    };
    let app = start_app().await;
    let mut sent = Vec::new();
    for account in ACCOUNTS {
        for (number, reply) in replies().into_iter().enumerate() {
            app.force(account, reply);
            let id = app.send_image(account).await;
            app.run_jobs_until_idle().await;
            let shown = app.message(&id).await;
            assert_eq!(shown["state"], "uncertain", "{account} {number}: {shown}");
            assert_eq!(outcomes(&shown), ["unclear"]);
            sent.push(id);
            // Without an acceptance between them, five in a row stop the account.
            app.send_image(account).await;
            app.run_jobs_until_idle().await;
        }
    }
    let problems = app.get_ok("/api/v1/problems").await;
    assert_eq!(problems["uncertain"], sent.len());
    let_a_day_pass(&app).await;
    let app = app.restart().await;
    let_a_day_pass(&app).await;
    for account in ACCOUNTS {
        assert_eq!(
            app.received(account).len(),
            2 * replies().len(),
            "{account}"
        );
    }
    for id in &sent {
        assert_eq!(app.state(id).await, "uncertain");
    }
    app.finish().await;
}

#[actix_web::test]
async fn no_answer_in_time_is_uncertain_until_a_report_arrives() {
    let app = start_app_with(|settings, accounts| {
        settings.outcome = None;
        for account in accounts {
            account.timeout = Duration::from_millis(150);
        }
    })
    .await;
    app.force(KALEYRA, ForcedReply::silence());
    let id = app.send_image(KALEYRA).await;
    app.run_jobs_until_idle().await;
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "uncertain");
    assert!(
        shown["attempts"][0]["detail"]
            .as_str()
            .unwrap()
            .contains("no reply before the timeout")
    );
    // The callback's tag identifies the message.
    let tag = app.received(KALEYRA)[0].json()["extra_info"]["ref2"].clone();
    app.deliver_callback(
        KALEYRA,
        &json!({ "status": "delivered", "message_id": "wamid.LATE", "extra_info": { "ref2": tag } }),
    )
    .await;
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&id).await, "delivered");
    assert_eq!(app.received(KALEYRA).len(), 1);
    app.finish().await;
}

#[actix_web::test]
async fn a_redirect_is_a_failure_that_shows_where_it_points_and_is_not_followed() {
    let app = start_app().await;
    for account in ACCOUNTS {
        for status in [301, 302, 307, 308] {
            let elsewhere = format!("{}/elsewhere", app.simulator.base_url());
            app.force(account, ForcedReply::redirect(status, &elsewhere));
            let id = app.send_image(account).await;
            app.run_jobs_until_idle().await;
            let shown = app.message(&id).await;
            assert_eq!(shown["state"], "failed", "{account} {status}");
            assert_eq!(shown["failure"]["code"], status.to_string());
            let detail = shown["failure"]["detail"].as_str().unwrap();
            assert!(detail.contains(&elsewhere), "{detail}");
            // Every message of the account would be redirected.
            let resume = format!("/api/v1/accounts/{account}/resume");
            assert_eq!(app.post(&resume).await.0, 204);
        }
        assert_eq!(app.received(account).len(), 4);
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_process_that_dies_between_first_byte_and_outcome_leaves_an_uncertain_message() {
    let app = start_app().await;
    app.force(SOBOT, ForcedReply::silence());
    let id = app.send_image(SOBOT).await;
    let mut claimed = app.services.dispatcher.claim_due().await.unwrap();
    let dispatcher = app.services.dispatcher.clone();
    let work = claimed.pop().unwrap();
    let submit = tokio::spawn(async move { dispatcher.submit(work).await });
    let request_received = async || !app.received(SOBOT).is_empty();
    waiting::until("the request has come", request_received).await;
    // Persisted before the first byte.
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "sending");
    assert_eq!(outcomes(&shown), ["started"]);
    submit.abort();
    assert!(submit.await.unwrap_err().is_cancelled());

    let app = app.restart().await;
    // On SQLite the lock of the folder proves that the other process is dead.
    let dispatcher = &app.services.dispatcher;
    dispatcher.resolve_claims_of_dead_processes().await.unwrap();
    let early = app.state(&id).await;
    if app.services.store.is_shared() {
        assert!(early == "sending" || early == "uncertain");
    } else {
        assert_eq!(early, "uncertain");
    }
    let_a_day_pass(&app).await;
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "uncertain");
    assert_eq!(outcomes(&shown), ["unclear"]);
    assert_eq!(app.received(SOBOT).len(), 1, "sent twice");
    app.finish().await;
}

// --- The account ---------------------------------------------------------------

#[actix_web::test]
async fn account_trouble_fails_one_message_and_keeps_the_rest_waiting() {
    let app = start_app().await;
    let kaleyra = |code: &str, words: &str| json!({ "code": code, "message": words, "data": {}, "error": { "error": words } });
    for (account, reply) in [
        (
            SOBOT,
            ForcedReply::json(
                401,
                &json!({ "message": "Invalid API key or secret", "code": 401 }),
            ),
        ),
        (
            KALEYRA,
            ForcedReply::json(
                400,
                &kaleyra("E110", "Please check your balance, You have a low balance!"),
            ),
        ),
        (
            ZIXFLOW,
            ForcedReply::json(401, &json!({ "status": false, "message": "Unauthorised" })),
        ),
        (
            LANCEPILOT,
            ForcedReply::json(401, &json!({ "message": "Unauthenticated." })),
        ),
    ] {
        app.force(account, reply);
        let first = app.send_image(account).await;
        app.run_jobs_until_idle().await;
        let second = app.send_video(account).await;
        app.run_jobs_until_idle().await;
        let shown = app.message(&first).await;
        assert_eq!(shown["state"], "failed", "{account}");
        assert_eq!(shown["failure"]["class"], "account", "{account}: {shown}");
        let waiting = app.message(&second).await;
        assert_eq!(waiting["state"], "queued", "{account}");
        let hold = waiting["hold"].as_str().unwrap_or_default();
        let reason = shown["failure"]["title"].as_str().unwrap();
        assert!(hold.contains(reason), "{account}: hold is `{hold}`");
        assert_eq!(app.received(account).len(), 1);
        let list = app
            .get_ok(&format!("/api/v1/messages?account={account}&state=queued"))
            .await;
        assert_eq!(list["data"][0]["hold"], hold);

        let accounts = app.get_ok("/api/v1/accounts").await;
        let account_status = accounts["data"]
            .as_array()
            .unwrap()
            .iter()
            .find(|account_status| account_status["id"] == account)
            .unwrap();
        assert_eq!(account_status["health"], "paused");
        assert!(
            account_status["pause_reason"]
                .as_str()
                .unwrap()
                .contains(reason)
        );
        let resume = format!("/api/v1/accounts/{account}/resume");
        assert_eq!(app.post(&resume).await.0, 204);
        app.run_jobs_until_idle().await;
        let sent = app.message(&second).await;
        assert_eq!(sent["state"], "submitted", "{account}");
        assert!(sent.get("hold").is_none());
        assert_eq!(app.post(&resume).await.0, 409);
    }
    let problems = app.get_ok("/api/v1/problems").await;
    assert_eq!(problems["paused_accounts"], 0);
    app.finish().await;
}

/// Kaleyra says later, by callback, that it did not send a message.
async fn report_not_sent(app: &App, id: &str, code: &str, reason: &str) {
    let known_as = app.message(id).await["provider_id"].clone();
    let body = json!({
        "code": code, "status": "not sent", "reason": reason, "message_id": known_as,
        "extra_info": { "message_id": known_as, "waba_id": "104" },
    });
    app.deliver_callback(KALEYRA, &body).await;
    app.run_jobs_until_idle().await;
}

#[actix_web::test]
async fn account_trouble_that_comes_by_callback_keeps_the_rest_waiting_too() {
    let app = start_app().await;
    let [opted_out, refused, late] = [
        app.send_image(KALEYRA).await,
        app.send_image(KALEYRA).await,
        app.send_image(KALEYRA).await,
    ];
    app.run_jobs_until_idle().await;
    let paused = async || app.get_ok("/api/v1/problems").await["paused_accounts"].clone();
    report_not_sent(&app, &opted_out, "131050", "Number opted out").await;
    assert_eq!(
        (app.state(&opted_out).await.as_str(), paused().await),
        ("failed", json!(0))
    );

    report_not_sent(&app, &refused, "WAV2101", "Account daily limit reached").await;
    assert_eq!(
        (app.state(&refused).await.as_str(), paused().await),
        ("failed", json!(1))
    );
    let waiting = app.send_image(KALEYRA).await;
    app.run_jobs_until_idle().await;
    let shown = app.message(&waiting).await;
    assert_eq!(shown["state"], "queued");
    assert!(
        shown["hold"].as_str().unwrap().contains("daily limit"),
        "{shown}"
    );

    // After resuming, reports about earlier submissions do not pause it again, whether processed late
    // or replayed.
    app.advance(TimeDelta::minutes(1));
    let resume = format!("/api/v1/accounts/{KALEYRA}/resume");
    assert_eq!(app.post(&resume).await.0, 204);
    report_not_sent(&app, &late, "WAV2101", "Account daily limit reached").await;
    let again = json!({ "outcome": "receipts" });
    assert_eq!(
        app.post_json("/api/v1/callbacks/replay", &again).await.0,
        200
    );
    app.run_jobs_until_idle().await;
    assert_eq!(
        (app.state(&late).await.as_str(), paused().await),
        ("failed", json!(0))
    );
    assert_eq!(app.state(&waiting).await, "submitted");

    report_not_sent(&app, &waiting, "WAV2101", "Account daily limit reached").await;
    assert_eq!(paused().await, 1);
    app.finish().await;
}

#[actix_web::test]
async fn an_account_with_a_rate_does_not_hold_up_the_others() {
    let app = start_app_with(|_, accounts| accounts[0].rate = Some(1.0)).await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        slow.push(app.send_image(SOBOT).await);
    }
    app.advance(TimeDelta::seconds(1));
    let quick = app.send_image(KALEYRA).await;
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&quick).await, "submitted");
    assert!(app.received(SOBOT).len() <= 2);
    for _ in 0..20 {
        app.advance(TimeDelta::seconds(1));
        app.run_jobs_until_idle().await;
    }
    for id in &slow {
        assert_eq!(app.state(id).await, "submitted");
    }
    app.finish().await;
}

// --- Decisions of operators --------------------------------------------------------

#[actix_web::test]
async fn a_waiting_message_can_be_cancelled_and_one_on_its_way_cannot() {
    let app = start_app().await;
    let waiting = app.send_image(SOBOT).await;
    let cancel = |id: &str| format!("/api/v1/messages/{id}/cancel");
    assert_eq!(app.post(&cancel(&waiting)).await.0, 200);
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&waiting).await, "cancelled");
    assert!(app.received(SOBOT).is_empty());
    assert_eq!(app.post(&cancel(&waiting)).await.0, 409);

    let gone = app.send_image(SOBOT).await;
    let claimed = app.services.dispatcher.claim_due().await.unwrap();
    let (status, body) = app.post(&cancel(&gone)).await;
    assert_eq!(status, 409);
    assert_eq!(body["code"], "not_possible");
    for work in claimed {
        app.services.dispatcher.submit(work).await;
    }
    assert_eq!(app.state(&gone).await, "submitted");
    assert_eq!(
        app.post(&cancel("0192f0c1-0000-7000-8000-000000000000"))
            .await
            .0,
        404
    );
    app.finish().await;
}

#[actix_web::test]
async fn an_uncertain_message_can_be_sent_again_once() {
    let app = start_app().await;
    app.force(SOBOT, ForcedReply::hang_up());
    let mut body = message(SOBOT, "image");
    body["refs"] = json!({ "ref": "r" });
    body["client_reference"] = json!("order-42");
    let old = app.send(&body).await;
    app.run_jobs_until_idle().await;
    let path = format!("/api/v1/messages/{old}/resend");
    let clicks = futures_util::future::join_all((0..8).map(|_| app.post(&path))).await;
    let made: std::collections::BTreeSet<&str> = clicks
        .iter()
        .filter(|(status, _)| *status == 200)
        .map(|(_, body)| body["id"].as_str().unwrap())
        .collect();
    assert_eq!(made.len(), 1, "{clicks:?}");
    assert!(
        clicks.iter().all(|(status, _)| [200, 409].contains(status)),
        "{clicks:?}"
    );
    let new = (*made.first().unwrap()).to_owned();
    app.run_jobs_until_idle().await;
    assert_eq!(app.received(SOBOT).len(), 2);
    let shown = app.message(&new).await;
    assert_eq!(shown["state"], "submitted");
    assert_eq!(shown["resend_of"], old);
    assert_eq!(shown["refs"], json!({ "ref": "r" }));
    assert_eq!(shown["client_reference"], "order-42");
    let before = app.message(&old).await;
    assert_eq!(before["state"], "uncertain");
    assert_eq!(before["resent_as"], new);
    let problems = app.get_ok("/api/v1/problems").await;
    assert_eq!(problems["uncertain"], 0, "it left the problem lists");
    assert_eq!(app.post(&path).await.0, 409);
    let timeline = app
        .get_ok(&format!("/api/v1/messages/{old}/timeline"))
        .await;
    assert_eq!(
        timeline.to_string().matches("\"resend\"").count(),
        1,
        "{timeline}"
    );
    app.finish().await;
}

#[actix_web::test]
async fn a_message_that_arrived_or_still_waits_is_not_sent_again() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    let path = format!("/api/v1/messages/{id}/resend");
    assert_eq!(app.post(&path).await.0, 409);
    app.run_jobs_until_idle().await;
    app.deliver_simulated().await;
    assert_eq!(app.post(&path).await.0, 409);
    app.finish().await;
}

#[actix_web::test]
async fn a_message_marked_failed_fails_unless_a_report_shows_that_it_arrived() {
    let app = start_app().await;
    app.force(LANCEPILOT, ForcedReply::hang_up());
    let id = app.send_image(LANCEPILOT).await;
    app.run_jobs_until_idle().await;
    let path = format!("/api/v1/messages/{id}/mark-failed");
    let (status, _) = app
        .post_json(&path, &json!({ "reason": "customer called" }))
        .await;
    assert_eq!(status, 200);
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "failed");
    assert_eq!(shown["failure"]["detail"], "customer called");
    assert!(shown["failure"].get("code").is_none());
    let explained = app.get_ok(&format!("/api/v1/messages/{id}/explain")).await;
    for words in ["meaning", "action"] {
        assert_eq!(shown["failure"][words], explained["failure"][words]);
    }
    let list = app.request("GET", "/messages").send().await.unwrap();
    let list = list.text().await.unwrap();
    assert!(
        list.contains("title=\"marked as failed by an operator\""),
        "{list}"
    );
    assert!(!list.contains("title=\"will not arrive\""), "{list}");
    assert_eq!(app.post_json(&path, &json!({})).await.0, 409);
    app.deliver_callback(
        LANCEPILOT,
        &json!({ "event": "message.status", "data": { "type": "messages", "id": "r-1", "attributes": { "status": "delivered", "to": CUSTOMER } } }),
    )
    .await;
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&id).await, "delivered");
    let too_long = json!({ "reason": "x".repeat(1001) });
    let (status, body) = app.post_json(&path, &too_long).await;
    assert_eq!(
        (status, body["errors"][0]["field"].as_str()),
        (422, Some("reason"))
    );
    app.finish().await;
}

#[actix_web::test]
async fn a_message_without_reports_after_submission_becomes_overdue() {
    let app = start_app_with(|settings, _| {
        settings.outcome = Some(bluetick::simulator::PlannedOutcome::Silent);
    })
    .await;
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    app.advance(TimeDelta::hours(23));
    assert_eq!(app.message(&id).await["overdue"], false);
    app.advance(TimeDelta::hours(2));
    assert_eq!(app.message(&id).await["overdue"], true);
    let problems = app.get_ok("/api/v1/problems").await;
    assert_eq!(problems["overdue"], 1);
    app.finish().await;
}
