//! Calls, payments and events of a kind that no one has seen yet are notices: no orphan, no state.

use bluetick::simulator::ForcedReply;
use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::harness::app::{App, KALEYRA, LANCEPILOT, SOBOT, ZIXFLOW, noon, start_app};
use crate::harness::dump::dump;
use crate::harness::generator::Generator;
use crate::rebuilding::{assert_same, verified};

/// Meta's change with one status.
fn change(field: &str, status: &Value) -> Value {
    json!({ "field": field, "value": { "messaging_product": "whatsapp", "statuses": [status] } })
}

/// The same change as each provider may wrap it.
fn wrappings(field: &str, status: &Value) -> Vec<(&'static str, Value)> {
    let change = change(field, status);
    let entry = json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1", "changes": [change] }] });
    vec![
        (SOBOT, json!([change])),
        (SOBOT, entry.clone()),
        (
            KALEYRA,
            json!({ "meta_object": change, "status": status["status"], "message_id": status["id"],
                "extra_info": { "message_id": status["id"] } }),
        ),
        (ZIXFLOW, entry.clone()),
        (
            LANCEPILOT,
            json!({ "event": "whatsapp.webhook", "data": entry }),
        ),
    ]
}

async fn assert_notice(app: &App, body: &Value) {
    let callback = &app.callbacks().await[0];
    assert_eq!(callback["outcome"], "notice", "{body}: {callback}");
    assert_eq!(app.orphans().await, Vec::<Value>::new(), "{body}");
}

async fn deliver(app: &App, account: &str, body: &Value) {
    app.deliver_callback(account, body).await;
    app.run_jobs_until_idle().await;
}

async fn notices(app: &App, id: &str) -> Vec<String> {
    let timeline = app.get_ok(&format!("/api/v1/messages/{id}/timeline")).await;
    let lines = timeline["data"].as_array().unwrap().iter();
    lines
        .filter(|line| line["kind"] == "notice")
        .map(|line| line["word"].as_str().unwrap().to_owned())
        .collect()
}

#[actix_web::test]
async fn calls_are_notices_in_every_wrapping() {
    let app = start_app().await;
    for word in ["RINGING", "ACCEPTED", "REJECTED"] {
        let call = json!({ "id": "wacid.HBgLMTIxODU1NTI4MjgVAgARGCAyODRCQ", "type": "call", "status": word,
            "timestamp": noon().timestamp().to_string(), "recipient_id": "447700900123" });
        for field in ["calls", "messages"] {
            for (account, body) in wrappings(field, &call) {
                deliver(&app, account, &body).await;
                assert_notice(&app, &body).await;
            }
        }
        deliver(&app, SOBOT, &call).await;
        assert_notice(&app, &call).await;
    }
    app.advance(TimeDelta::hours(1));
    app.run_jobs_until_idle().await;
    let listed = app.get_ok("/api/v1/messages").await;
    assert_eq!(listed["data"], json!([]));
    app.finish().await;
}

#[actix_web::test]
async fn a_payment_shows_in_the_timeline_of_its_message_and_changes_no_state() {
    let app = start_app().await;
    for (account, state) in [
        (SOBOT, "delivered"),
        (SOBOT, "submitted"),
        (KALEYRA, "submitted"),
        (ZIXFLOW, "submitted"),
    ] {
        let id = app.send_image(account).await;
        app.run_jobs_until_idle().await;
        let provider_id = app.message(&id).await["provider_id"].clone();
        if state == "delivered" {
            let receipt = json!({ "id": provider_id, "status": "delivered" });
            deliver(&app, account, &receipt).await;
        }
        let before = app.message(&id).await;
        assert_eq!(before["state"], state);
        let payment = json!({ "id": provider_id, "type": "payment", "status": "failed",
            "timestamp": noon().timestamp().to_string(), "recipient_id": "447700900123",
            "payment": { "reference_id": "order-1" }, "pricing": { "category": "utility" } });
        for (wrapper, body) in wrappings("messages", &payment) {
            if wrapper == account {
                deliver(&app, account, &body).await;
                assert_notice(&app, &body).await;
                let callback = &app.callbacks().await[0];
                assert_eq!(callback["message_ids"], json!([id]));
            }
        }
        let after = app.message(&id).await;
        for field in [
            "state", "conflict", "stages", "failure", "pricing", "overdue",
        ] {
            assert_eq!(before[field], after[field], "{account}: {field}");
        }
        let shown = notices(&app, &id).await;
        assert_eq!(shown[0], "payment: failed");
        let page = app.request("GET", &format!("/messages/{id}")).send().await;
        let page = page.unwrap().text().await.unwrap();
        assert!(page.contains("Notice: payment: failed"), "{page}");
        let explained = app.get_ok(&format!("/api/v1/messages/{id}/explain")).await;
        assert!(
            explained.to_string().contains("`payment: failed`"),
            "{explained}"
        );
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_notice_does_not_put_off_that_a_message_is_overdue() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let provider_id = app.message(&id).await["provider_id"].clone();
    app.advance(TimeDelta::hours(20));
    let payment = json!({ "id": provider_id, "type": "payment", "status": "captured" });
    deliver(&app, SOBOT, &payment).await;
    app.advance(TimeDelta::hours(5));
    assert_eq!(app.message(&id).await["overdue"], true);
    app.finish().await;
}

#[actix_web::test]
async fn a_notice_that_came_before_its_id_is_shown_nowhere_also_after_a_rebuild() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    let early = json!({ "id": "wamid.EARLY", "type": "payment", "status": "captured" });
    app.deliver_callback(SOBOT, &early).await;
    app.apply_callbacks().await;
    app.advance(TimeDelta::seconds(1));
    let reply = json!({ "data": { "id": "wamid.EARLY", "status": "submitted" }, "code": 200 });
    app.force(SOBOT, ForcedReply::json(200, &reply));
    app.run_jobs_until_idle().await;
    app.advance(TimeDelta::seconds(1));
    deliver(&app, SOBOT, &early).await;
    assert_eq!(notices(&app, &id).await.len(), 1);
    let before = dump(&app.database).await;
    bluetick::operating::rebuild::rebuild(&app.services, &mut |_| {})
        .await
        .unwrap();
    assert_same(&before, &dump(&app.database).await);
    app.finish().await;
}

/// A type that is neither a message's nor that of its content.
fn unseen() -> impl Strategy<Value = String> {
    let seen = [
        "audio",
        "button",
        "contacts",
        "document",
        "image",
        "interactive",
        "location",
        "media",
        "message",
        "messages",
        "reaction",
        "sticker",
        "template",
        "text",
        "video",
        "voice",
    ];
    "[a-z]{3,12}(_[a-z]{3,12})?".prop_filter("a type of messages", move |word| {
        !seen.contains(&word.as_str())
    })
}

#[actix_web::test]
async fn statuses_of_types_and_fields_that_no_one_has_seen_are_notices() {
    let mut generator = Generator::new();
    while generator.next_round(1).is_some() {
        Box::pin(check_unseen(&mut generator)).await;
    }
}

async fn check_unseen(generator: &mut Generator) {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let provider_id = app.message(&id).await["provider_id"].clone();
    let sample = (
        unseen(),
        prop::sample::select(vec!["failed", "read", "delivered", "captured"]),
        any::<[bool; 2]>(),
    );
    let mut about_it = 0;
    for number in 0..60 {
        let (kind, word, [in_field, own]) = generator.value(&sample);
        let status_id = if own {
            provider_id.clone()
        } else {
            json!(format!("wamid.unseen{number}"))
        };
        let mut status = json!({ "id": status_id, "status": word,
            "timestamp": noon().timestamp().to_string() });
        let field = if in_field {
            kind.as_str()
        } else {
            status["type"] = json!(kind);
            "messages"
        };
        for (account, body) in wrappings(field, &status) {
            deliver(&app, account, &body).await;
            assert_notice(&app, &body).await;
            about_it += usize::from(own && account == SOBOT);
        }
    }
    assert_eq!(app.state(&id).await, "submitted");
    assert_eq!(notices(&app, &id).await.len(), about_it);
    let before = dump(&app.database).await;
    bluetick::operating::rebuild::rebuild(&app.services, &mut |_| {})
        .await
        .unwrap();
    assert_same(&before, &dump(&app.database).await);
    assert_eq!(verified(&app).await.1, Vec::<String>::new());
    app.finish().await;
}

#[actix_web::test]
async fn two_contacts_are_given_to_no_status_and_one_to_each() {
    let statuses = json!([
        { "id": "wamid.ONE", "status": "sent" },
        { "id": "wamid.TWO", "status": "sent" },
    ]);
    let contact = |number: &str| json!({ "wa_id": number });
    let (one, other) = (contact("447700900111"), contact("447700900222"));
    for (contacts, recipients) in [
        (json!([one, other]), 0),
        (json!([one, one]), 2),
        (json!([one]), 2),
        (json!([]), 0),
    ] {
        let app = start_app().await;
        let value = json!({ "contacts": contacts, "statuses": statuses });
        deliver(
            &app,
            SOBOT,
            &json!([{ "field": "messages", "value": value }]),
        )
        .await;
        let orphans = app.orphans().await;
        assert_eq!(orphans.len(), 2);
        let named = orphans
            .iter()
            .filter(|orphan| orphan.get("recipient").is_some());
        assert_eq!(named.count(), recipients, "{contacts}: {orphans:?}");
        app.finish().await;
    }
}
