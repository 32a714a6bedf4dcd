//! The send queue: what a process that dies leaves of it, messages that cannot be sent, accounts without work.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::harness::app::{App, KALEYRA, SOBOT, image_to, start_app};
use crate::harness::waiting;
use bluetick::simulator::ForcedReply;

/// Sends messages to as many different recipients.
async fn send_many(app: &App, number: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for recipient in 0..number {
        let body = image_to(SOBOT, &format!("+4477009{recipient:05}"));
        ids.push(app.send(&body).await);
    }
    ids
}

fn outcomes(message: &Value) -> Vec<&str> {
    let attempts = message["attempts"].as_array().unwrap();
    let outcome = |attempt: &'_ Value| attempt["outcome"].as_str().unwrap().to_owned();
    let known = ["started", "accepted", "refused", "postponed", "unclear"];
    attempts
        .iter()
        .map(|attempt| *known.iter().find(|it| **it == outcome(attempt)).unwrap())
        .collect()
}

/// Claims four messages, begins the call of the first, and loses the process. Returns the ids in the order of the claims.
async fn die_during_the_first_of_four(app: &App) -> Vec<String> {
    send_many(app, 4).await;
    app.force(SOBOT, ForcedReply::silence());
    let claimed = app.services.dispatcher.claim_due().await.unwrap();
    let ids = claimed.iter().map(|work| work.message().to_string());
    let ids: Vec<String> = ids.collect();
    assert_eq!(ids.len(), 4);
    for id in &ids {
        let shown = app.message(id).await;
        assert_eq!(shown["state"], "sending");
        assert_eq!(
            outcomes(&shown),
            ["started"],
            "committed before its first byte"
        );
    }
    let dispatcher = app.services.dispatcher.clone();
    let first = claimed.into_iter().next().unwrap();
    let submit = tokio::spawn(async move { dispatcher.submit(first).await });
    let has_come = async || !app.received(SOBOT).is_empty();
    waiting::until("the request has come", has_come).await;
    submit.abort();
    assert!(submit.await.unwrap_err().is_cancelled());
    ids
}

#[actix_web::test]
async fn what_was_claimed_and_not_called_when_the_process_died_is_sent_by_the_next_one() {
    let app = start_app().await;
    let ids = die_during_the_first_of_four(&app).await;
    let app = app.restart().await;
    // Longer than the claims last.
    app.advance(chrono::TimeDelta::minutes(10));
    app.services.dispatcher.sweep().await.unwrap();
    assert_eq!(app.state(&ids[0]).await, "uncertain", "its call had begun");
    for id in &ids[1..] {
        let shown = app.message(id).await;
        assert_eq!(shown["state"], "queued", "{shown}");
        assert_eq!(outcomes(&shown), ["postponed"]);
        let detail = shown["attempts"][0]["detail"].as_str().unwrap();
        assert!(detail.contains("nothing was sent"), "{detail}");
    }
    app.run_jobs_until_idle().await;
    for id in &ids[1..] {
        let shown = app.message(id).await;
        assert_eq!(shown["state"], "submitted", "{shown}");
        assert_eq!(outcomes(&shown), ["postponed", "accepted"]);
    }
    assert_eq!(app.state(&ids[0]).await, "uncertain");
    assert_eq!(app.received(SOBOT).len(), 4, "each was called once");

    // A call that ended counts as begun, too.
    let claimed = app.services.dispatcher.claim_due().await.unwrap();
    assert!(claimed.is_empty());
    let app = app.restart().await;
    let dispatcher = &app.services.dispatcher;
    dispatcher.resolve_claims_of_dead_processes().await.unwrap();
    app.run_jobs_until_idle().await;
    assert_eq!(app.received(SOBOT).len(), 4);
    app.finish().await;
}

#[actix_web::test]
async fn after_a_restart_of_the_machine_every_claimed_message_is_uncertain() {
    let app = start_app().await;
    let ids = die_during_the_first_of_four(&app).await;
    // The second 16 bytes name the boot of the machine.
    let file = app.database.folder().join("started_calls");
    let mut noted = std::fs::read(&file).unwrap();
    noted[16] ^= 1;
    std::fs::write(&file, noted).unwrap();
    let app = app.restart().await;
    if app.services.store.is_shared() {
        // With PostgreSQL it is known only when the claims have ended.
        app.advance(chrono::TimeDelta::minutes(10));
    }
    app.services.dispatcher.sweep().await.unwrap();
    for id in &ids {
        assert_eq!(app.state(id).await, "uncertain");
    }
    app.run_jobs_until_idle().await;
    assert_eq!(app.received(SOBOT).len(), 1);
    app.finish().await;
}

#[actix_web::test]
async fn no_call_begins_that_the_data_folder_cannot_record() {
    let app = start_app().await;
    if app.services.store.is_shared() {
        app.finish().await;
        return;
    }
    // A folder with this name cannot be opened as a file.
    let path = app.database.folder().join("started_calls");
    std::fs::create_dir(&path).unwrap();
    let id = send_many(&app, 1).await.remove(0);
    for work in app.services.dispatcher.claim_due().await.unwrap() {
        app.services.dispatcher.submit(work).await;
    }
    assert!(app.received(SOBOT).is_empty());
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "queued", "{shown}");
    let detail = shown["attempts"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("data folder"), "{detail}");
    std::fs::remove_dir(&path).unwrap();
    app.advance(chrono::TimeDelta::minutes(1));
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&id).await, "submitted");
    app.finish().await;
}

#[actix_web::test]
async fn messages_that_can_never_be_sent_fail_with_their_reason_and_hold_up_no_other() {
    let app = start_app().await;
    let ids = send_many(&app, 10).await;
    for (reference, change) in [
        (0, "recipient = NULL"),
        (1, "recipient = 'nowhere'"),
        (2, "media_url = NULL"),
        (3, "template_name = 'sale', template_values = 'no values'"),
        (4, "recipient = NULL"),
    ] {
        let recipient = format!("4477009{reference:05}");
        let change = format!("UPDATE messages SET {change} WHERE recipient = '{recipient}'");
        app.database.execute(&change).await;
    }
    app.run_jobs_until_idle().await;
    for id in &ids[5..] {
        assert_eq!(app.state(id).await, "submitted");
    }
    let failed = "SELECT failure_code || ': ' || failure_detail AS line FROM messages \
         WHERE state = 'failed' ORDER BY id";
    let failed = app.database.query(failed).await;
    assert_eq!(failed.len(), 5, "{failed:?}");
    for (times, reason) in [
        (2, "unsendable: it has no recipient"),
        (1, "unsendable: its recipient is not a phone number"),
        (1, "unsendable: it has no media"),
        (1, "invalid template_values"),
    ] {
        let with_reason = failed.iter().filter(|line| line.contains(reason));
        assert_eq!(with_reason.count(), times, "{reason}: {failed:?}");
    }
    let shown = app.message(&ids[2]).await;
    assert_eq!(shown["failure"]["class"], "unknown", "{shown}");
    assert_eq!(outcomes(&shown), Vec::<&str>::new(), "no attempt was made");
    assert_eq!(app.received(SOBOT).len(), 5);
    app.finish().await;
}

#[actix_web::test]
async fn only_accounts_with_due_messages_are_asked_for_them() {
    let app = start_app().await;
    send_many(&app, 2).await;
    // Due later.
    app.send(&image_to(KALEYRA, "+447700900123")).await;
    let later = app.now().timestamp_millis() + 60_000;
    let postpone =
        format!("UPDATE messages SET next_attempt_at = {later} WHERE account = '{KALEYRA}'");
    app.database.execute(&postpone).await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    let mut dispatcher = app.services.dispatcher.clone();
    dispatcher.store = dispatcher.store.clone().observed_by(move |statement| {
        let is_list = statement.sql.contains("recipient_holds");
        if is_list {
            noted
                .lock()
                .unwrap()
                .push(format!("{:?}", statement.values));
        }
    });
    let claimed = dispatcher.claim_due().await.unwrap();
    assert_eq!(claimed.len(), 2);
    let asked = asked.lock().unwrap().clone();
    assert!(!asked.is_empty());
    assert!(
        asked.iter().all(|values| values.contains(SOBOT)),
        "{asked:?}"
    );
    for work in claimed {
        dispatcher.submit(work).await;
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_message_that_expired_in_the_queue_counts_as_no_attempt_on_any_page() {
    let app = start_app().await;
    let refusal = json!({ "code": 400, "message": "bad media" });
    app.force(SOBOT, ForcedReply::json(400, &refusal));
    send_many(&app, 4).await;
    app.run_jobs_until_idle().await;
    let pause = format!("/api/v1/accounts/{SOBOT}/pause");
    assert_eq!(
        app.post_json(&pause, &json!({ "reason": "a test" }))
            .await
            .0,
        204
    );
    for recipient in 0..6 {
        app.send(&image_to(SOBOT, &format!("+44770080{recipient:04}")))
            .await;
    }
    app.advance(chrono::TimeDelta::hours(2));
    app.services.dispatcher.sweep().await.unwrap();
    let summary = app
        .get_ok("/api/v1/reports/summary.json?from=2026-11-20&to=2026-11-21")
        .await;
    let total = &summary["total"];
    assert_eq!(total["states"]["failed"], 7, "{summary}");
    assert_eq!(total["attempted"], 4, "{total}");
    app.finish().await;
}
