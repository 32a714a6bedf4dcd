//! Matches by recipient or operator can be undone: the orphan is separate again, and is not matched automatically any more.

use bluetick::domain::scope::Scope;
use bluetick::simulator::ForcedReply;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::app::{App, CUSTOMER, LANCEPILOT, SOBOT, message, read, start_app};
use crate::harness::dump::dump;

const FIRST: &str = "wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgSMDAwMDAwMDAwMDAwMDAwMDAwAA==";
const SECOND: &str = "wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgSMTExMTExMTExMTExMTExMTExAA==";

/// LancePilot reports on a message by an id that it never returned.
async fn post_report(app: &App, wamid: &str, word: &str) {
    let report = json!({
        "event": "message.status",
        "data": {
            "type": "messages",
            "id": format!("r-{}", &wamid[40..44]),
            "attributes": { "wamid": wamid, "status": word, "to": CUSTOMER },
        },
    });
    app.deliver_callback(LANCEPILOT, &report).await;
    app.run_jobs_until_idle().await;
}

/// LancePilot reports only the id that it assigned.
async fn echoed(app: &App, wamid: &str) {
    let echo = json!({
        "event": "message.outgoing",
        "data": {
            "type": "messages",
            "attributes": { "source": "api", "wamid": wamid, "to": CUSTOMER },
        },
    });
    app.deliver_callback(LANCEPILOT, &echo).await;
    app.run_jobs_until_idle().await;
}

async fn sent(app: &App) -> String {
    let id = app.send_image(LANCEPILOT).await;
    app.run_jobs_until_idle().await;
    id
}

async fn orphan_ids(app: &App) -> Vec<String> {
    let orphans = app.orphans().await;
    let ids = orphans.iter().map(|orphan| orphan["id"].as_str().unwrap());
    ids.map(str::to_owned).collect()
}

async fn page(app: &App, id: &str) -> String {
    let request = app.request("GET", &format!("/messages/{id}"));
    request.send().await.unwrap().text().await.unwrap()
}

/// A rebuild comes to the same, and everything that is counted adds up.
async fn assert_sound(app: &App) {
    let before = dump(&app.database).await;
    bluetick::operating::rebuild::rebuild(&app.services, &mut |_| {})
        .await
        .unwrap();
    assert_eq!(before, dump(&app.database).await);
}

#[actix_web::test]
async fn a_match_by_recipient_is_undone_and_never_made_again_by_itself() {
    let app = start_app().await;
    let id = sent(&app).await;
    post_report(&app, FIRST, "delivered").await;
    let shown = app.message(&id).await;
    assert_eq!(
        (&shown["state"], &shown["matched_by"]),
        (&json!("delivered"), &json!("recipient"))
    );
    assert!(page(&app, &id).await.contains("Undo the match"));

    let (status, body) = app.post(&format!("/api/v1/messages/{id}/unmatch")).await;
    assert_eq!(
        (status, &body["state"]),
        (200, &json!("submitted")),
        "{body}"
    );
    let shown = app.message(&id).await;
    assert_eq!(shown["matched_by"], Value::Null);
    assert_eq!(shown["provider_ids"], json!([]));
    let html = page(&app, &id).await;
    assert!(!html.contains("Undo the match"));
    assert!(html.contains("undid its matches"), "why it says submitted");
    let orphans = orphan_ids(&app).await;
    assert_eq!(orphans.len(), 1);
    assert_eq!(app.state(&orphans[0]).await, "delivered");

    post_report(&app, FIRST, "read").await;
    post_report(&app, SECOND, "delivered").await;
    assert_eq!(app.state(&id).await, "submitted");
    assert_eq!(app.state(&orphans[0]).await, "read");
    assert_eq!(orphan_ids(&app).await.len(), 2);
    assert_sound(&app).await;
    app.finish().await;
}

#[actix_web::test]
async fn a_report_on_another_kind_of_message_or_on_something_else_matches_no_image() {
    let app = start_app().await;
    let id = sent(&app).await;
    let contact = json!({ "contact": { "attributes": { "number": CUSTOMER } } });
    let resource = |attributes: Value| json!({ "type": "messages", "id": "lp-1", "attributes": attributes, "relationships": contact });
    for kind in ["text", "document", "audio", "template", "sticker", "video"] {
        let attributes =
            json!({ "message": { "type": kind }, "status": "failed", "source": "api" });
        for event in ["message.failed", "message.outgoing"] {
            let report = json!({ "event": event, "data": resource(attributes.clone()) });
            app.deliver_callback(LANCEPILOT, &report).await;
        }
    }
    for event in ["invoice.failed", "sms.delivered", "message.payment.failed"] {
        let report = json!({ "event": event, "data": resource(json!({ "status": "failed" })) });
        app.deliver_callback(LANCEPILOT, &report).await;
    }
    app.run_jobs_until_idle().await;
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "submitted", "{shown}");
    assert_eq!(shown["provider_ids"], json!([]), "{shown}");
    let attributes = json!({ "message": { "type": "image" } });
    let report = json!({ "event": "message.delivered", "data": {
        "type": "messages", "id": "lp-2", "attributes": attributes, "relationships": contact,
    } });
    app.deliver_callback(LANCEPILOT, &report).await;
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&id).await, "delivered");
    app.finish().await;
}

/// LancePilot accepts templates with an image or a video in their header, and its documentation lists
/// `template` beside `image` as a kind of message, so a report of that type may be about such a message.
#[actix_web::test]
async fn a_report_of_the_type_template_matches_a_template_and_no_plain_image() {
    let app = start_app().await;
    let plain = sent(&app).await;
    let report = |id: &str, word: &str| {
        json!({ "event": format!("message.{word}"), "data": {
            "type": "messages", "id": id,
            "attributes": { "message": { "type": "template" }, "to": CUSTOMER },
        } })
    };
    app.deliver_callback(LANCEPILOT, &report("lp-0", "delivered"))
        .await;
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&plain).await, "submitted");
    let mut body = message(LANCEPILOT, "image");
    body.as_object_mut().unwrap().remove("caption");
    body["template"] = json!({ "name": "1204", "language": "en", "body": ["Asha"], "buttons": [] });
    let id = app.send(&body).await;
    app.run_jobs_until_idle().await;
    app.advance(TimeDelta::seconds(1));
    for word in ["delivered", "read"] {
        app.deliver_callback(LANCEPILOT, &report("lp-1", word))
            .await;
        app.run_jobs_until_idle().await;
        let shown = app.message(&id).await;
        assert_eq!(
            (&shown["state"], &shown["matched_by"]),
            (&json!(word), &json!("recipient"))
        );
    }
    assert_eq!(app.state(&plain).await, "submitted");
    assert_sound(&app).await;
    app.finish().await;
}

/// LancePilot documents no event about a status, so a name such as `broadcast.message.delivered` is no
/// evidence for a message of ours, and none against it. An id is: with one that a message has, the
/// report is about that message. Without, the event is a notice, because a name that only resembles
/// those of messages must create no orphan and match no message by the number.
#[actix_web::test]
async fn an_event_that_no_document_names_counts_for_a_message_with_its_id_and_for_no_other() {
    let app = start_app().await;
    let id = sent(&app).await;
    let event = |name: &str, resource: &str| {
        json!({ "event": name, "data": {
            "type": "messages", "id": resource, "attributes": { "to": CUSTOMER },
        } })
    };
    let outcomes = async |body: Value| {
        app.deliver_callback(LANCEPILOT, &body).await;
        app.run_jobs_until_idle().await;
        app.callbacks().await[0]["outcome"].clone()
    };
    let unknown = outcomes(event("broadcast.message.delivered", "lp-1")).await;
    assert_eq!(unknown, "notice");
    assert_eq!(app.state(&id).await, "submitted");
    assert_eq!(orphan_ids(&app).await, Vec::<String>::new());
    // With an event of a plausible name, the message gets the id.
    assert_eq!(outcomes(event("message.sent", "lp-1")).await, "receipts");
    assert_eq!(app.state(&id).await, "sent");
    app.advance(TimeDelta::seconds(1));
    for (name, state) in [
        ("broadcast.message.delivered", "delivered"),
        ("message.payment.failed", "delivered"),
        ("invoice.failed", "delivered"),
        ("BroadcastMessageRead", "read"),
    ] {
        outcomes(event(name, "lp-1")).await;
        assert_eq!(app.state(&id).await, state, "{name}");
    }
    assert_eq!(
        outcomes(event("campaign.message.failed", "lp-2")).await,
        "notice"
    );
    assert_eq!(app.state(&id).await, "read");
    assert_eq!(orphan_ids(&app).await, Vec::<String>::new());
    assert_sound(&app).await;
    app.finish().await;
}

#[actix_web::test]
async fn a_later_message_does_not_make_an_earlier_report_ambiguous() {
    let app = start_app().await;
    // All within one millisecond: only the order of processing shows what was known.
    let first = sent(&app).await;
    post_report(&app, FIRST, "sent").await;
    let second = sent(&app).await;
    post_report(&app, SECOND, "delivered").await;
    for (id, state) in [(&first, "sent"), (&second, "delivered")] {
        let shown = app.message(id).await;
        assert_eq!(
            (&shown["state"], &shown["matched_by"]),
            (&json!(state), &json!("recipient"))
        );
    }
    assert_sound(&app).await;

    let callbacks = json!({ "account": LANCEPILOT });
    let (status, replayed) = app.post_json("/api/v1/callbacks/replay", &callbacks).await;
    assert_eq!((status, &replayed["messages"]), (200, &json!([])));
    assert_sound(&app).await;
    app.finish().await;
}

/// Submits a message whose report overtakes this reply.
async fn overtaken(app: &App, reply: ForcedReply) -> String {
    app.force(LANCEPILOT, reply);
    let id = app.send_image(LANCEPILOT).await;
    let claimed = app.services.dispatcher.claim_due().await.unwrap();
    post_report(app, FIRST, "delivered").await;
    assert_eq!(app.message(&id).await["matched_by"], "recipient");
    for work in claimed {
        app.services.dispatcher.submit(work).await;
    }
    id
}

#[actix_web::test]
async fn a_match_that_the_reply_confirms_is_no_guess_any_more() {
    let app = start_app().await;
    let reply = json!({ "data": { "id": format!("r-{}", &FIRST[40..44]) } });
    let id = overtaken(&app, ForcedReply::json(201, &reply)).await;
    let shown = app.message(&id).await;
    assert_eq!(
        (&shown["state"], &shown["matched_by"]),
        (&json!("delivered"), &Value::Null)
    );
    assert_sound(&app).await;
    app.finish().await;
}

#[actix_web::test]
async fn a_match_stays_whatever_the_reply_says() {
    for status in [404, 429] {
        let app = start_app().await;
        let id = overtaken(&app, ForcedReply::json(status, &json!({}))).await;
        let shown = app.message(&id).await;
        assert_eq!(
            (&shown["state"], &shown["matched_by"]),
            (&json!("delivered"), &json!("recipient"))
        );
        assert_sound(&app).await;
        app.finish().await;
    }
}

#[actix_web::test]
async fn an_operators_match_is_undone_and_the_report_can_be_matched_with_the_right_message() {
    let app = start_app().await;
    let (right, wrong) = (sent(&app).await, sent(&app).await);
    // With a third, only an operator can decide, even when one of them is excluded.
    sent(&app).await;
    post_report(&app, FIRST, "delivered").await;
    let orphan = orphan_ids(&app).await.remove(0);
    let matching = format!("/api/v1/orphans/{orphan}/match");
    let request = json!({ "message_id": wrong });
    assert_eq!(app.post_json(&matching, &request).await.0, 200);
    post_report(&app, FIRST, "read").await;
    assert_eq!(app.state(&wrong).await, "read");

    app.advance(TimeDelta::minutes(1));
    let undo = format!("/messages/{wrong}/unmatch");
    let (status, _) = read(app.request_as(Scope::Read, "POST", &undo)).await;
    assert_eq!(status, 403);
    let reply = app.request("POST", &undo).send().await.unwrap();
    assert_eq!(reply.status(), 200, "led back to its page");
    assert_eq!(app.state(&wrong).await, "submitted");
    assert_eq!(orphan_ids(&app).await, [orphan.as_str()], "as it was");
    assert_eq!(app.state(&orphan).await, "read");
    assert_sound(&app).await;

    app.advance(TimeDelta::minutes(1));
    let request = json!({ "message_id": right });
    assert_eq!(app.post_json(&matching, &request).await.0, 200);
    assert_eq!(app.state(&right).await, "read");
    assert_eq!(app.state(&wrong).await, "submitted");
    assert_sound(&app).await;
    app.finish().await;
}

#[actix_web::test]
async fn an_id_learned_only_from_an_echo_goes_with_the_match() {
    let app = start_app().await;
    let id = sent(&app).await;
    echoed(&app, FIRST).await;
    assert_eq!(app.message(&id).await["provider_ids"], json!([FIRST]));

    app.advance(TimeDelta::minutes(1));
    let (status, body) = app.post(&format!("/api/v1/messages/{id}/unmatch")).await;
    assert_eq!((status, &body["reports_now_at"]), (200, &json!([])));
    let shown = app.message(&id).await;
    assert_eq!(
        (&shown["provider_ids"], &shown["matched_by"]),
        (&json!([]), &Value::Null)
    );
    assert_sound(&app).await;

    post_report(&app, FIRST, "delivered").await;
    assert_eq!(app.state(&id).await, "submitted");
    assert_eq!(orphan_ids(&app).await.len(), 1);
    assert_sound(&app).await;
    app.finish().await;
}

#[actix_web::test]
async fn a_match_whose_echo_is_not_kept_any_more_is_not_undone_in_part() {
    let app = start_app().await;
    let id = sent(&app).await;
    echoed(&app, FIRST).await;
    app.database.execute_in_journal("DELETE FROM journal").await;
    let (status, body) = app.post(&format!("/api/v1/messages/{id}/unmatch")).await;
    assert_eq!(status, 409, "{body}");
    assert_eq!(app.message(&id).await["provider_ids"], json!([FIRST]));
    app.finish().await;
}

#[actix_web::test]
async fn only_what_was_matched_can_be_undone() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let (status, body) = app.post(&format!("/api/v1/messages/{id}/unmatch")).await;
    assert_eq!(status, 409, "{body}");
    assert!(!page(&app, &id).await.contains("Undo the match"));
    app.finish().await;
}

#[actix_web::test]
async fn a_report_whose_match_was_undone_waits_for_an_operator_and_not_for_the_next_message_that_fits()
 {
    let app = start_app().await;
    let (first, second) = (sent(&app).await, sent(&app).await);
    post_report(&app, FIRST, "delivered").await;
    let orphan = orphan_ids(&app).await.remove(0);
    let matching = format!("/api/v1/orphans/{orphan}/match");
    let request = json!({ "message_id": first });
    assert_eq!(app.post_json(&matching, &request).await.0, 200);
    let old = format!("/api/v1/messages/{orphan}/explain");
    assert_eq!(
        app.get_ok(&old).await["id"],
        json!(first),
        "an old id keeps what is asked about it"
    );

    app.advance(TimeDelta::minutes(1));
    let (status, body) = app.post(&format!("/api/v1/messages/{first}/unmatch")).await;
    assert_eq!(
        (status, &body["reports_now_at"]),
        (200, &json!([orphan])),
        "{body}"
    );
    assert_eq!(app.state(&first).await, "submitted");
    assert_eq!(app.state(&second).await, "submitted", "two fitted");
    let shown = app.message(&orphan).await;
    assert_eq!(shown["id"], json!(orphan), "the old id is its own again");
    let orphans = app.orphans().await;
    assert_eq!(orphans.len(), 1);
    assert_eq!(orphans[0]["suggestions"].as_array().unwrap().len(), 2);
    assert!(!page(&app, &first).await.contains("turned out to be"));
    assert_sound(&app).await;

    // What comes after the undoing fits both, too.
    post_report(&app, SECOND, "delivered").await;
    assert_eq!(app.state(&second).await, "submitted");
    assert_eq!(orphan_ids(&app).await.len(), 2);
    assert_sound(&app).await;
    app.finish().await;
}

#[actix_web::test]
async fn undoing_a_match_decides_no_earlier_report() {
    let app = start_app().await;
    let first = sent(&app).await;
    app.advance(TimeDelta::minutes(10));
    let second = sent(&app).await;
    app.advance(TimeDelta::minutes(2));
    post_report(&app, FIRST, "delivered").await;
    assert_eq!(orphan_ids(&app).await.len(), 1, "both messages fit");
    app.advance(TimeDelta::minutes(4));
    post_report(&app, SECOND, "read").await;
    assert_eq!(app.state(&second).await, "read", "the first is too old");

    app.advance(TimeDelta::minutes(1));
    let undo = format!("/api/v1/messages/{second}/unmatch");
    assert_eq!(app.post(&undo).await.0, 200);
    assert_eq!(app.state(&first).await, "submitted");
    assert_eq!(app.state(&second).await, "submitted");
    assert_eq!(orphan_ids(&app).await.len(), 2);
    assert_sound(&app).await;
    app.finish().await;
}

async fn try_match(app: &App, orphan: &str, typed: &str) -> (u16, String) {
    let form: String = form_urlencoded::Serializer::new(String::new())
        .append_pair("message_id", typed)
        .append_pair("page", "report")
        .finish();
    let request = app
        .request("POST", &format!("/orphans/{orphan}/match"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    let reply = request.send().await.unwrap();
    (reply.status().as_u16(), reply.text().await.unwrap())
}

#[actix_web::test]
async fn a_report_is_matched_on_its_own_page_by_whatever_the_search_box_takes() {
    let app = start_app().await;
    let (first, _) = (sent(&app).await, sent(&app).await);
    post_report(&app, FIRST, "delivered").await;
    let orphan = orphan_ids(&app).await.remove(0);
    let html = page(&app, &orphan).await;
    assert!(html.contains(&format!("/orphans/{orphan}/match")), "{html}");
    assert!(html.contains(&first), "suggested");

    let (status, html) = try_match(&app, &orphan, "unknown-id").await;
    assert_eq!(status, 422);
    assert!(html.contains("No message of this account has that id"));
    assert!(html.contains("unknown-id"), "what was typed stays");
    assert!(html.contains("Timeline"), "on the report's page");
    assert!(!html.contains("message_id is"), "no raw field name");
    let (status, html) = try_match(&app, &orphan, CUSTOMER).await;
    assert_eq!(status, 422);
    assert!(html.contains("Several messages match"));
    assert_eq!(orphan_ids(&app).await.len(), 1);

    let reference = json!({
        "account": LANCEPILOT, "to": "+44 7700 900456", "name": "Asha", "kind": "image",
        "media": { "url": "https://files.test/one.jpg" }, "client_reference": "order-77",
    });
    let wanted = app.send(&reference).await;
    app.run_jobs_until_idle().await;
    let (status, _) = try_match(&app, &orphan, "order-77").await;
    assert_eq!(status, 200);
    assert_eq!(app.state(&wanted).await, "delivered");
    app.finish().await;
}
