//! Reports find their message, whatever ids they name, whenever they come and however often.

use std::collections::BTreeSet;

use bluetick::simulator::{ForcedReply, PlannedOutcome};
use chrono::TimeDelta;
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use crate::harness::app::{
    App, CUSTOMER, KALEYRA, LANCEPILOT, SOBOT, ZIXFLOW, image_to, message, noon, start_app,
    start_app_with,
};

const WAMID: &str = "wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgSMDAwMDAwMDAwMDAwMDAwMDAwAA==";

/// Sobot's flat status; `second` is the provider's clock after noon.
pub(crate) fn status(id: &str, word: &str, second: i64) -> Value {
    let at = noon().timestamp() + second;
    json!({ "id": id, "status": word, "timestamp": at.to_string() })
}

/// LancePilot's status of a message.
fn lancepilot_status(id: &str, wamid: &str, word: &str, to: &str) -> Value {
    json!({
        "event": "message.status",
        "data": {
            "type": "messages",
            "id": id,
            "attributes": { "wamid": wamid, "status": word, "to": to },
        },
    })
}

/// Posts callbacks and applies them.
pub(crate) async fn post_callbacks(app: &App, account: &str, bodies: &[Value]) {
    for body in bodies {
        app.deliver_callback(account, body).await;
    }
    app.run_jobs_until_idle().await;
}

fn ids(message: &Value) -> BTreeSet<String> {
    message["provider_ids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap().to_owned())
        .collect()
}

#[actix_web::test]
async fn every_providers_message_moves_to_read() {
    let app = start_app().await;
    for account in crate::harness::app::ACCOUNTS {
        let image = app.send(&image_to(account, "+44 7700 900111")).await;
        app.run_jobs_until_idle().await;
        assert_eq!(app.state(&image).await, "submitted", "{account}");
        app.deliver_simulated().await;
        let shown = app.message(&image).await;
        assert_eq!(shown["state"], "read", "{account}: {shown}");
        assert!(shown["provider_id"].as_str().unwrap().starts_with("wamid."));
    }
    assert!(app.orphans().await.is_empty());
    app.finish().await;
}

// --- Kaleyra: the tag ---------------------------------------------------------

#[actix_web::test]
async fn a_kaleyra_message_with_all_references_used_is_found_by_its_tag() {
    let app = start_app().await;
    let mut body = message(KALEYRA, "video");
    body["refs"] = json!({ "ref": "spring", "ref1": "order 7", "ref2": "second round" });
    let id = app.send(&body).await;
    app.run_jobs_until_idle().await;
    let reply_ids = ids(&app.message(&id).await);
    assert_eq!(reply_ids.len(), 1);
    let callbacks = app.simulator.queued();
    assert!(!callbacks.is_empty());
    for callback in &callbacks {
        let text = String::from_utf8(callback.body.clone()).unwrap();
        assert!(reply_ids.iter().all(|id| !text.contains(id)), "{text}");
    }
    app.deliver_simulated().await;
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "read");
    assert_eq!(
        shown["refs"],
        json!({ "ref": "spring", "ref1": "order 7", "ref2": "second round" })
    );
    assert!(ids(&shown).is_superset(&reply_ids));
    assert!(app.orphans().await.is_empty());
    app.finish().await;
}

#[actix_web::test]
async fn two_kaleyra_messages_of_one_conversation_stay_two() {
    let app = start_app_with(|settings, _| settings.outcome = None).await;
    for outcome in [PlannedOutcome::Delivered, PlannedOutcome::Read] {
        app.simulator
            .force_outcome(crate::harness::app::provider_of(KALEYRA), outcome);
    }
    let first = app.send_image(KALEYRA).await;
    app.run_jobs_until_idle().await;
    let second = app.send_video(KALEYRA).await;
    app.run_jobs_until_idle().await;
    let conversations: BTreeSet<String> = app
        .simulator
        .queued()
        .iter()
        .map(|post| {
            let body: Value = serde_json::from_slice(&post.body).unwrap();
            body["meta_object"]["value"]["statuses"][0]["id"].to_string()
        })
        .collect();
    assert_eq!(conversations.len(), 1, "one conversation for both");
    app.deliver_simulated().await;
    assert_eq!(app.state(&first).await, "delivered");
    assert_eq!(app.state(&second).await, "read");
    let (first, second) = (
        ids(&app.message(&first).await),
        ids(&app.message(&second).await),
    );
    assert!(first.is_disjoint(&second), "{first:?} {second:?}");
    let problems = app.get_ok("/api/v1/problems").await;
    assert_eq!(problems["id_conflicts"], 0);
    app.finish().await;
}

// --- Zixflow: the signed report address ---------------------------------------

#[actix_web::test]
async fn a_zixflow_message_without_any_id_is_found_by_its_report_address() {
    let app = start_app_with(|settings, _| settings.zixflow.reply_without_id_share = 1.0).await;
    let id = app.send_image(ZIXFLOW).await;
    app.run_jobs_until_idle().await;
    assert!(ids(&app.message(&id).await).is_empty());
    app.deliver_simulated().await;
    assert_eq!(app.state(&id).await, "read");
    app.finish().await;
}

#[actix_web::test]
async fn every_changed_character_of_a_report_address_is_refused_and_changes_nothing() {
    let app = start_app().await;
    let id = app.send_image(ZIXFLOW).await;
    app.run_jobs_until_idle().await;
    let before = app.message(&id).await;
    let request = app.received(ZIXFLOW)[0].json();
    let address = request["reportURL"].as_str().unwrap();
    let (start, token) = address.rsplit_once('/').unwrap();
    let body = json!({ "messageId": "x", "status": "read", "timestamp": 1_763_600_000 });
    for place in 0..token.len() {
        let mut changed = token.as_bytes().to_vec();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = format!("{start}/{}", String::from_utf8(changed).unwrap());
        let reply = app.client.post(changed).json(&body).send().await.unwrap();
        assert_eq!(reply.status(), 401, "character {place}");
    }
    for other in [
        format!("{token}A"),
        token[1..].to_owned(),
        token[..token.len() - 1].to_owned(),
    ] {
        let reply = app
            .client
            .post(format!("{start}/{other}"))
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(reply.status(), 401, "{other}");
    }
    app.run_jobs_until_idle().await;
    assert_eq!(app.message(&id).await, before);
    assert!(app.callbacks().await.is_empty());
    assert!(app.orphans().await.is_empty());
    let reply = app.client.post(address).json(&body).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&id).await, "read");
    app.finish().await;
}

// --- LancePilot: the recipient ------------------------------------------------

#[actix_web::test]
async fn four_lancepilot_messages_without_ids_each_find_their_own_status() {
    let app = start_app_with(|settings, _| settings.outcome = None).await;
    let cases = [
        ("+44 7700 900201", PlannedOutcome::Sent, "sent"),
        ("+44 7700 900202", PlannedOutcome::Delivered, "delivered"),
        ("+44 7700 900203", PlannedOutcome::Read, "read"),
        ("+44 7700 900204", PlannedOutcome::Failed, "failed"),
    ];
    let mut sent = Vec::new();
    for (to, outcome, state) in cases {
        app.simulator
            .force_outcome(crate::harness::app::provider_of(LANCEPILOT), outcome);
        sent.push((app.send(&image_to(LANCEPILOT, to)).await, state));
        app.run_jobs_until_idle().await;
    }
    for (id, _) in &sent {
        assert!(ids(&app.message(id).await).is_empty());
    }
    app.deliver_simulated().await;
    for (id, state) in &sent {
        let shown = app.message(id).await;
        assert_eq!(shown["state"], *state, "{shown}");
        assert_eq!(shown["matched_by"], "recipient");
    }
    assert!(app.orphans().await.is_empty());
    app.finish().await;
}

#[actix_web::test]
async fn two_lancepilot_messages_to_one_number_need_an_operator() {
    let app = start_app().await;
    let first = app.send_image(LANCEPILOT).await;
    let second = app.send_image(LANCEPILOT).await;
    app.run_jobs_until_idle().await;
    post_callbacks(
        &app,
        LANCEPILOT,
        &[lancepilot_status("r-1", WAMID, "delivered", CUSTOMER)],
    )
    .await;
    assert_eq!(app.state(&first).await, "submitted");
    assert_eq!(app.state(&second).await, "submitted");
    let orphans = app.orphans().await;
    assert_eq!(orphans.len(), 1, "{orphans:?}");
    let suggested: BTreeSet<&str> = orphans[0]["suggestions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap())
        .collect();
    assert_eq!(suggested, BTreeSet::from([first.as_str(), second.as_str()]));
    let orphan = orphans[0]["id"].as_str().unwrap();

    // Neither is adopted while a message without id went to that number.
    app.advance(TimeDelta::minutes(11));
    app.run_jobs_until_idle().await;
    assert_eq!(app.orphans().await.len(), 1);

    let path = format!("/api/v1/orphans/{orphan}/match");
    let (status, _) = app.post_json(&path, &json!({ "message_id": second })).await;
    assert_eq!(status, 200);
    let shown = app.message(&second).await;
    assert_eq!(shown["state"], "delivered");
    assert_eq!(shown["matched_by"], "operator");
    assert!(ids(&shown).contains(WAMID));
    assert_eq!(app.state(&first).await, "submitted");
    assert!(app.orphans().await.is_empty());
    assert_moved(&app, orphan, &second).await;

    // The operator's match is known from now on.
    post_callbacks(
        &app,
        LANCEPILOT,
        &[lancepilot_status("r-1", WAMID, "read", CUSTOMER)],
    )
    .await;
    assert_eq!(app.state(&second).await, "read");
    let timeline = app
        .get_ok(&format!("/api/v1/messages/{second}/timeline"))
        .await;
    assert!(timeline.to_string().contains("\"match\""));
    app.finish().await;
}

/// The old id answers 308 with the new one.
async fn assert_moved(app: &App, old: &str, new: &str) {
    let plain = bluetick::http_client::builder()
        .redirect(Policy::none())
        .build()
        .unwrap();
    let request = app
        .request("GET", &format!("/api/v1/messages/{old}"))
        .build()
        .unwrap();
    let reply = plain.execute(request).await.unwrap();
    assert_eq!(reply.status(), 308);
    assert_eq!(
        reply.headers()["location"],
        format!("/api/v1/messages/{new}")
    );
}

#[actix_web::test]
async fn a_report_by_recipient_finds_a_message_that_is_still_being_submitted() {
    let app = start_app().await;
    let id = app.send_image(LANCEPILOT).await;
    let claimed = app.services.dispatcher.claim_due().await.unwrap();
    assert_eq!(app.state(&id).await, "sending");
    app.deliver_callback(
        LANCEPILOT,
        &lancepilot_status("r-1", WAMID, "delivered", CUSTOMER),
    )
    .await;
    app.apply_callbacks().await;
    assert_eq!(app.state(&id).await, "delivered");
    for work in claimed {
        app.services.dispatcher.submit(work).await;
    }
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "delivered");
    assert_eq!(shown["matched_by"], "recipient");
    assert!(app.orphans().await.is_empty());
    app.finish().await;
}

#[actix_web::test]
async fn a_message_that_surely_never_left_is_matched_with_no_report() {
    let app = start_app().await;
    // Refused for certain.
    app.force(
        LANCEPILOT,
        ForcedReply::json(
            422,
            &json!({ "message": "Validation error", "errors": { "file": ["too large"] } }),
        ),
    );
    let refused = app.send_image(LANCEPILOT).await;
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&refused).await, "failed");
    // Deferred by the provider, then cancelled.
    app.force(LANCEPILOT, ForcedReply::json(429, &json!({})));
    let cancelled = app.send_image(LANCEPILOT).await;
    app.run_jobs_until_idle().await;
    assert_eq!(
        app.post(&format!("/api/v1/messages/{cancelled}/cancel"))
            .await
            .0,
        200
    );
    post_callbacks(
        &app,
        LANCEPILOT,
        &[lancepilot_status("by-hand", WAMID, "delivered", CUSTOMER)],
    )
    .await;
    assert_eq!(app.state(&refused).await, "failed");
    assert_eq!(app.state(&cancelled).await, "cancelled");
    assert_eq!(app.orphans().await.len(), 1);
    // And it does not stand in the way of the one that left.
    app.advance(TimeDelta::seconds(1));
    let good = app.send_image(LANCEPILOT).await;
    app.run_jobs_until_idle().await;
    app.deliver_simulated().await;
    assert_eq!(app.state(&good).await, "read");
    app.finish().await;
}

#[actix_web::test]
async fn a_report_from_before_the_submission_is_not_matched_by_recipient() {
    let app = start_app().await;
    app.deliver_callback(
        LANCEPILOT,
        &lancepilot_status("by-hand", WAMID, "delivered", CUSTOMER),
    )
    .await;
    app.advance(TimeDelta::minutes(1));
    let id = app.send_image(LANCEPILOT).await;
    for work in app.services.dispatcher.claim_due().await.unwrap() {
        app.services.dispatcher.submit(work).await;
    }
    // The journal is read only now.
    app.apply_callbacks().await;
    assert_eq!(app.state(&id).await, "submitted");
    assert_eq!(app.orphans().await.len(), 1);
    app.finish().await;
}

// --- Before, twice, out of order ----------------------------------------------

#[actix_web::test]
async fn a_callback_before_the_reply_merges_when_the_reply_names_its_id() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    app.force(
        SOBOT,
        ForcedReply::json(
            200,
            &json!({ "data": { "id": WAMID, "status": "submitted" }, "code": 200 }),
        ),
    );
    let claimed = app.services.dispatcher.claim_due().await.unwrap();
    app.deliver_callback(SOBOT, &status(WAMID, "delivered", 2))
        .await;
    app.apply_callbacks().await;
    let orphans = app.orphans().await;
    assert_eq!(orphans.len(), 1);
    assert_eq!(app.state(&id).await, "sending");
    for work in claimed {
        app.services.dispatcher.submit(work).await;
    }
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "delivered");
    assert_eq!(shown["origin"], "api");
    assert_eq!(shown["provider_id"], WAMID);
    assert!(app.orphans().await.is_empty());
    assert_moved(&app, orphans[0]["id"].as_str().unwrap(), &id).await;
    app.finish().await;
}

#[actix_web::test]
async fn a_report_of_a_message_sent_elsewhere_is_adopted_after_ten_minutes() {
    let app = start_app().await;
    post_callbacks(&app, SOBOT, &[status(WAMID, "sent", 1)]).await;
    let orphans = app.orphans().await;
    let id = orphans[0]["id"].as_str().unwrap();
    assert_eq!(orphans[0]["stage"], "sent");
    app.advance(TimeDelta::minutes(9));
    app.run_jobs_until_idle().await;
    assert_eq!(app.orphans().await.len(), 1);
    app.advance(TimeDelta::minutes(2));
    app.run_jobs_until_idle().await;
    assert!(app.orphans().await.is_empty());
    let shown = app.message(id).await;
    assert_eq!(shown["origin"], "observed");
    assert_eq!(shown["state"], "sent");
    post_callbacks(&app, SOBOT, &[status(WAMID, "read", 2)]).await;
    assert_eq!(app.state(id).await, "read");
    // An operator can still match it.
    let sent = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let path = format!("/api/v1/orphans/{id}/match");
    let (matched, _) = app.post_json(&path, &json!({ "message_id": sent })).await;
    assert_eq!(matched, 200);
    assert_eq!(app.state(&sent).await, "read");
    assert_moved(&app, id, &sent).await;
    app.finish().await;
}

#[actix_web::test]
async fn an_account_may_leave_its_unmatched_reports_unadopted() {
    let app = start_app_with(|_, accounts| {
        accounts[0].adoption = bluetick::domain::provider_account::Adoption::Off;
    })
    .await;
    post_callbacks(&app, SOBOT, &[status(WAMID, "sent", 1)]).await;
    app.advance(TimeDelta::days(2));
    app.run_jobs_until_idle().await;
    assert_eq!(app.orphans().await.len(), 1);
    app.finish().await;
}

#[actix_web::test]
async fn an_id_that_two_sent_messages_claim_stays_with_the_first() {
    let app = start_app().await;
    let reply = json!({ "data": { "id": WAMID, "status": "submitted" }, "code": 200 });
    app.force(SOBOT, ForcedReply::json(200, &reply));
    app.force(SOBOT, ForcedReply::json(200, &reply));
    let first = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let second = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    post_callbacks(&app, SOBOT, &[status(WAMID, "read", 3)]).await;
    assert_eq!(app.state(&first).await, "read");
    let shown = app.message(&second).await;
    assert_eq!(shown["state"], "submitted");
    assert!(ids(&shown).is_empty());
    let detail = shown["attempts"][0]["detail"].as_str().unwrap();
    assert!(detail.contains(&first), "{detail}");
    let problems = app.get_ok("/api/v1/problems").await;
    assert_eq!(problems["id_conflicts"], 1);
    app.finish().await;
}

#[actix_web::test]
async fn one_report_may_tie_several_unmatched_ones_and_a_new_id_together() {
    let app = start_app().await;
    let one = json!({ "message_id": "wamid.ONE", "status": "sent" });
    let two = json!({ "message_id": "wamid.TWO", "status": "delivered" });
    post_callbacks(&app, KALEYRA, &[one]).await;
    app.advance(TimeDelta::seconds(1));
    post_callbacks(&app, KALEYRA, &[two]).await;
    assert_eq!(app.orphans().await.len(), 2);
    let all = json!({
        "meta_object": { "value": { "statuses": [{
            "id": "wamid.TWO", "status": "read", "recipient_id": "447700900123",
        }] } },
        "extra_info": { "message_id": "wamid.ONE" },
        "message_id": "wamid.THREE",
        "status": "read",
    });
    post_callbacks(&app, KALEYRA, &[all]).await;
    let orphans = app.orphans().await;
    assert_eq!(orphans.len(), 1, "{orphans:?}");
    assert_eq!(orphans[0]["stage"], "read");
    assert_eq!(orphans[0]["provider_ids"].as_array().unwrap().len(), 3);
    let outcomes: BTreeSet<String> = app
        .callbacks()
        .await
        .iter()
        .map(|callback| callback["outcome"].to_string())
        .collect();
    assert_eq!(outcomes, BTreeSet::from(["\"receipts\"".to_owned()]));
    app.finish().await;
}

#[actix_web::test]
async fn order_and_repetition_of_callbacks_change_nothing_but_the_counts() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let shown = app.message(&id).await;
    let wamid = shown["provider_id"].as_str().unwrap();
    let (sent, delivered, read) = (
        status(wamid, "sent", 1),
        status(wamid, "delivered", 2),
        status(wamid, "read", 3),
    );
    post_callbacks(
        &app,
        SOBOT,
        &[
            read.clone(),
            delivered.clone(),
            sent.clone(),
            delivered,
            sent,
            read.clone(),
            read,
        ],
    )
    .await;
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "read");
    assert_eq!(shown["stages"]["sent"]["at"], "2026-11-20T12:00:01.000Z");
    assert_eq!(shown["stages"]["delivered"]["count"], 2);
    assert_eq!(shown["stages"]["read"]["count"], 3);
    assert_eq!(shown["stages"]["read"]["at"], "2026-11-20T12:00:03.000Z");
    app.finish().await;
}

#[actix_web::test]
async fn failed_and_delivered_is_delivered_with_a_conflict() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let shown = app.message(&id).await;
    let wamid = shown["provider_id"].as_str().unwrap();
    let mut failed = status(wamid, "failed", 1);
    failed["errors"] = json!([{ "code": 131_026, "title": "Message undeliverable" }]);
    post_callbacks(&app, SOBOT, &[failed]).await;
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "failed");
    assert_eq!(shown["failure"]["code"], "131026");
    assert_eq!(shown["failure"]["class"], "recipient");
    post_callbacks(
        &app,
        SOBOT,
        &[status(wamid, "delivered", 2), status(wamid, "sent", 1)],
    )
    .await;
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "delivered");
    assert_eq!(shown["conflict"], true);
    let problems = app.get_ok("/api/v1/problems").await;
    assert_eq!(problems["conflicts"], 1);
    app.finish().await;
}

#[actix_web::test]
async fn ids_are_compared_exactly_and_belong_to_one_account() {
    let app = start_app_with(|_, accounts| {
        let mut twin = accounts[0].clone();
        twin.id = "sobot-twin".parse().unwrap();
        accounts.push(twin);
    })
    .await;
    let reply = |id: &str| {
        ForcedReply::json(
            200,
            &json!({ "data": { "id": id, "status": "submitted" }, "code": 200 }),
        )
    };
    app.force(SOBOT, reply("wamid.AbC=="));
    app.force(SOBOT, reply("wamid.AbC=="));
    let one = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let other = app.send(&message("sobot-twin", "image")).await;
    app.run_jobs_until_idle().await;
    post_callbacks(
        &app,
        SOBOT,
        &[
            status("wamid.abc==", "read", 1),
            status("wamid.AbC==", "delivered", 1),
        ],
    )
    .await;
    assert_eq!(app.state(&one).await, "delivered");
    assert_eq!(app.state(&other).await, "submitted");
    assert_eq!(app.orphans().await.len(), 1);
    let problems = app.get_ok("/api/v1/problems").await;
    assert_eq!(problems["id_conflicts"], 0);
    app.finish().await;
}

#[actix_web::test]
async fn every_effect_of_a_callback_is_there_once_after_a_restart() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let shown = app.message(&id).await;
    let wamid = shown["provider_id"].as_str().unwrap().to_owned();
    post_callbacks(&app, SOBOT, &[status(&wamid, "sent", 1)]).await;
    app.deliver_callback(SOBOT, &status(&wamid, "delivered", 2))
        .await;
    let app = app.restart().await;
    assert_eq!(app.state(&id).await, "sent");
    app.run_jobs_until_idle().await;
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "delivered");
    assert_eq!(shown["stages"]["sent"]["count"], 1);
    app.finish().await;
}
