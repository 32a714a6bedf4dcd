//! One customer has several ids: a phone number, WhatsApp's id, user ids. Callbacks name which belong together.

use bluetick::domain::scope::Scope;
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::harness::app::{
    App, KALEYRA, LANCEPILOT, SOBOT, ZIXFLOW, image_to, noon, read, start_app,
};
use crate::harness::dump::dump;
use crate::harness::generator::Generator;
use crate::rebuilding::assert_same;

const OLD: &str = "447700900001";
const NEW: &str = "447700900002";
const ADA: &str = "GB.13491208655302741918";
const PARENT: &str = "GB.ENT.11815799212886844830";
const BEN: &str = "GB.20000000000000000002";

fn stamp(at: DateTime<Utc>) -> String {
    at.timestamp().to_string()
}

fn value(value: &Value) -> Value {
    json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1", "changes": [
        { "field": "messages", "value": value }] }] })
}

/// A status that names a customer by these ids.
fn status(wamid: &str, phone: Option<&str>, user_id: Option<&str>, at: DateTime<Utc>) -> Value {
    value(
        &json!({ "statuses": [{ "id": wamid, "status": "delivered", "timestamp": stamp(at),
        "recipient_id": phone, "recipient_user_id": user_id }] }),
    )
}

fn inbound(phone: Option<&str>, user_id: Option<&str>, at: DateTime<Utc>) -> Value {
    value(&json!({
        "contacts": [{ "profile": { "name": "Ada" }, "wa_id": phone, "user_id": user_id }],
        "messages": [{ "from": phone, "from_user_id": user_id, "id": "wamid.IN", "type": "text",
            "timestamp": stamp(at), "text": { "body": "Hello" } }],
    }))
}

fn changed_number(old: &str, new: &str, at: DateTime<Utc>) -> Value {
    value(
        &json!({ "messages": [{ "from": old, "id": "wamid.SYS", "timestamp": stamp(at), "type": "system",
        "system": { "body": "Ada changed", "wa_id": new, "type": "user_changed_number" } }] }),
    )
}

fn changed_user_id(phone: &str, old: &str, new: &str, at: DateTime<Utc>) -> Value {
    value(
        &json!({ "messages": [{ "from": phone, "from_user_id": new, "id": "wamid.SYS",
        "timestamp": stamp(at), "type": "system",
        "system": { "body": format!("User Ada changed from {old} to {new}"), "user_id": new,
            "type": "user_changed_user_id" } }] }),
    )
}

async fn deliver(app: &App, account: &str, body: &Value) {
    app.deliver_callback(account, body).await;
    app.run_jobs_until_idle().await;
}

async fn listed(app: &App, query: &str) -> Vec<String> {
    let list = app.get_ok(&format!("/api/v1/messages?{query}")).await;
    let rows = list["data"].as_array().unwrap().iter();
    let mut ids: Vec<String> = rows
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

/// What the API's two searches and the dashboard's find.
async fn assert_found(app: &App, id: &str, expected: &[&String]) {
    let mut expected: Vec<String> = expected.iter().map(|id| (*id).clone()).collect();
    expected.sort();
    for query in ["to", "q"] {
        assert_eq!(
            listed(app, &format!("{query}={id}")).await,
            expected,
            "{query}={id}"
        );
    }
    let page = app
        .request("GET", &format!("/messages?q={id}"))
        .send()
        .await;
    let page = page.unwrap().text().await.unwrap();
    for message in &expected {
        assert!(page.contains(message), "the page of {id} lacks {message}");
    }
    if id.contains('.') && !expected.is_empty() {
        assert!(page.contains("same user id"), "why {id} finds them");
    }
}

async fn sent(app: &App, account: &str, to: &str) -> (String, String) {
    let id = app.send(&image_to(account, to)).await;
    app.run_jobs_until_idle().await;
    let provider_id = app.message(&id).await["provider_id"].clone();
    (id, provider_id.as_str().unwrap_or_default().to_owned())
}

#[actix_web::test]
async fn a_search_by_any_id_of_a_customer_finds_all_their_messages_at_every_provider() {
    for account in [SOBOT, KALEYRA, ZIXFLOW, LANCEPILOT] {
        let app = start_app().await;
        let (id, _) = sent(&app, account, OLD).await;
        assert_eq!(
            listed(&app, &format!("to={ADA}")).await,
            Vec::<String>::new()
        );
        let contact = json!({ "wa_id": OLD, "user_id": ADA, "parent_user_id": PARENT });
        let mut body = inbound(Some(OLD), Some(ADA), noon());
        body["entry"][0]["changes"][0]["value"]["contacts"] = json!([contact]);
        let body = match account {
            SOBOT => body["entry"][0]["changes"].clone(),
            KALEYRA => json!({ "meta_object": body["entry"][0]["changes"][0] }),
            LANCEPILOT => json!({ "event": "whatsapp.webhook", "data": body }),
            _ => body,
        };
        deliver(&app, account, &body).await;
        for known in [OLD, ADA, PARENT, &ADA.to_lowercase()] {
            assert_found(&app, known, &[&id]).await;
        }
        assert_found(&app, "447700900555", &[]).await;
        app.finish().await;
    }
}

#[actix_web::test]
async fn statuses_contacts_and_participants_name_the_ids_of_a_customer() {
    let bodies = [
        status("wamid.X", Some(OLD), Some(ADA), noon()),
        value(&json!({ "contacts": [{ "user_id": ADA }], "statuses": [
            { "id": "wamid.X", "status": "sent", "recipient_id": OLD, "timestamp": stamp(noon()) }] })),
        value(
            &json!({ "statuses": [{ "id": "wamid.X", "status": "read", "recipient_type": "group",
            "recipient_id": "120363001234567890", "recipient_participant_id": OLD,
            "recipient_participant_user_id": ADA, "timestamp": stamp(noon()) }] }),
        ),
        json!({ "entry": [{ "id": "1", "changes": [{ "field": "user_id_update", "value": { "user_id_update": [
            { "wa_id": OLD, "user_id": { "previous": BEN, "current": ADA }, "timestamp": stamp(noon()) }] } }] }] }),
    ];
    for body in bodies {
        let app = start_app().await;
        let (id, _) = sent(&app, SOBOT, OLD).await;
        deliver(&app, SOBOT, &body).await;
        assert!(
            listed(&app, &format!("to={ADA}")).await.contains(&id),
            "{body}"
        );
        app.finish().await;
    }
}

#[actix_web::test]
async fn several_contacts_of_one_callback_are_not_mixed_up() {
    let app = start_app().await;
    let (first, _) = sent(&app, SOBOT, OLD).await;
    let (second, _) = sent(&app, SOBOT, NEW).await;
    let statuses = |order: [&str; 2]| {
        value(
            &json!({ "contacts": [{ "wa_id": OLD, "user_id": ADA }, { "wa_id": NEW, "user_id": BEN }],
            "statuses": order.map(|to| json!({ "id": format!("wamid.{to}"), "status": "sent",
                "recipient_id": to, "timestamp": stamp(noon()) })) }),
        )
    };
    deliver(&app, SOBOT, &statuses([NEW, OLD])).await;
    assert!(!listed(&app, &format!("to={ADA}")).await.contains(&second));
    assert!(listed(&app, &format!("to={ADA}")).await.contains(&first));
    assert!(!listed(&app, &format!("to={BEN}")).await.contains(&first));
    let of_another = value(&json!({ "contacts": [{ "wa_id": OLD, "user_id": ADA }],
            "statuses": [{ "id": "wamid.other", "status": "sent", "recipient_id": NEW,
                "timestamp": stamp(noon()) }] }));
    deliver(&app, SOBOT, &of_another).await;
    assert!(!listed(&app, &format!("to={ADA}")).await.contains(&second));
    app.finish().await;
}

#[actix_web::test]
async fn a_customer_who_changed_the_number_is_found_by_both_and_the_next_holder_of_the_old_one_is_not()
 {
    let app = start_app().await;
    let (before, _) = sent(&app, SOBOT, OLD).await;
    app.advance(TimeDelta::hours(1));
    deliver(&app, SOBOT, &changed_number(OLD, NEW, app.now())).await;
    app.advance(TimeDelta::hours(1));
    let (after, _) = sent(&app, SOBOT, NEW).await;
    for known in [OLD, NEW] {
        assert_found(&app, known, &[&before, &after]).await;
    }
    app.advance(TimeDelta::days(30));
    deliver(&app, SOBOT, &inbound(Some(OLD), Some(BEN), app.now())).await;
    let (of_next_holder, _) = sent(&app, SOBOT, OLD).await;
    assert_found(&app, NEW, &[&before, &after]).await;
    assert_found(&app, BEN, &[&of_next_holder]).await;
    // The number itself finds everything that was sent to it.
    assert_found(&app, OLD, &[&before, &of_next_holder]).await;
    app.finish().await;
}

#[actix_web::test]
async fn a_changed_user_id_is_the_same_customer() {
    let app = start_app().await;
    let (id, _) = sent(&app, SOBOT, OLD).await;
    deliver(&app, SOBOT, &inbound(Some(OLD), Some(ADA), noon())).await;
    app.advance(TimeDelta::hours(1));
    deliver(&app, SOBOT, &changed_user_id(OLD, ADA, BEN, app.now())).await;
    for known in [OLD, ADA, BEN] {
        assert_found(&app, known, &[&id]).await;
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_name_that_looks_like_a_user_id_joins_no_one() {
    let app = start_app().await;
    let (id, _) = sent(&app, SOBOT, OLD).await;
    deliver(&app, SOBOT, &inbound(Some(OLD), Some(ADA), noon())).await;
    app.advance(TimeDelta::hours(1));
    let (old, new) = ("IN.1349120865539900", "IN.1349120865539901");
    let mut change = changed_user_id(NEW, old, new, app.now());
    let body = change.pointer_mut("/entry/0/changes/0/value/messages/0/system/body");
    *body.unwrap() = json!(format!("User {ADA} changed from {old} to {new}"));
    deliver(&app, SOBOT, &change).await;
    for unrelated in [NEW, old, new] {
        assert!(!listed(&app, &format!("to={unrelated}")).await.contains(&id));
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_window_is_found_by_any_id_of_the_customer() {
    let app = start_app().await;
    deliver(&app, SOBOT, &inbound(None, Some(ADA), noon())).await;
    let window = async |id: &str| app.get_ok(&format!("/api/v1/windows/{SOBOT}/{id}")).await;
    assert_eq!(window(ADA).await["state"], "open");
    assert_eq!(window(OLD).await["state"], "unknown");
    deliver(
        &app,
        SOBOT,
        &status("wamid.X", Some(OLD), Some(ADA), noon()),
    )
    .await;
    for known in [OLD, ADA] {
        let shown = window(known).await;
        assert_eq!(shown["state"], "open", "{known}");
        assert_eq!(shown["expires_at"], "2026-11-21T12:00:00.000Z", "{known}");
    }
    // What one account's callbacks name is not used for another account.
    let other = app
        .get_ok(&format!("/api/v1/windows/{KALEYRA}/{OLD}"))
        .await;
    assert_eq!(other["state"], "unknown");
    app.finish().await;
}

#[actix_web::test]
async fn a_send_to_a_user_id_is_still_refused() {
    let app = start_app().await;
    deliver(&app, SOBOT, &inbound(Some(OLD), Some(ADA), noon())).await;
    let refused = app
        .post_json("/api/v1/messages", &image_to(SOBOT, ADA))
        .await;
    assert_eq!(refused.0, 422, "{}", refused.1);
    assert!(refused.1.to_string().contains("user id"), "{}", refused.1);
    app.finish().await;
}

#[actix_web::test]
async fn a_caller_who_may_not_see_numbers_finds_a_customer_only_by_a_whole_id() {
    let app = start_app().await;
    let (id, _) = sent(&app, SOBOT, OLD).await;
    deliver(&app, SOBOT, &inbound(Some(OLD), Some(ADA), noon())).await;
    for (text, found) in [(ADA, 1), (OLD, 1), (&ADA[..12], 0), (&OLD[..8], 0)] {
        let path = format!("/api/v1/messages?q={text}");
        let list = read(app.request_as(Scope::Read, "GET", &path)).await.1;
        let rows = list["data"].as_array().unwrap();
        assert_eq!(rows.len(), found, "{text}");
        assert!(rows.iter().all(|row| row["id"] == json!(id)));
        assert!(!list.to_string().contains(OLD), "{list}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn placeholders_and_ids_of_the_providers_staff_join_no_one() {
    let app = start_app().await;
    let (first, _) = sent(&app, SOBOT, OLD).await;
    let (second, _) = sent(&app, SOBOT, NEW).await;
    for user_id in ["undefined", "{{user_id}}", "77", "0", "GB.0"] {
        for phone in [OLD, NEW] {
            deliver(&app, SOBOT, &inbound(Some(phone), Some(user_id), noon())).await;
        }
    }
    // One id for all customers.
    for number in 0..9 {
        let phone = format!("44770090010{number}");
        deliver(&app, SOBOT, &inbound(Some(&phone), Some(ADA), noon())).await;
    }
    deliver(&app, SOBOT, &inbound(Some(OLD), Some(ADA), noon())).await;
    deliver(&app, SOBOT, &inbound(Some(NEW), Some(ADA), noon())).await;
    assert_found(&app, OLD, &[&first]).await;
    assert_found(&app, NEW, &[&second]).await;
    app.finish().await;
}

/// Callbacks that name ids of two customers, in any combination.
fn histories() -> impl Strategy<Value = Vec<Value>> {
    let phone = || prop::sample::select(vec![OLD, NEW, "447700900003"]);
    let user_id = || prop::sample::select(vec![ADA, BEN, PARENT]);
    let at = || (-600..600_i64).prop_map(|minutes| noon() + TimeDelta::minutes(minutes - 600));
    let one = prop_oneof![
        (phone(), user_id(), at()).prop_map(|(phone, id, at)| inbound(Some(phone), Some(id), at)),
        (phone(), user_id(), at()).prop_map(|(phone, id, at)| status(
            "wamid.S",
            Some(phone),
            Some(id),
            at
        )),
        (phone(), phone(), at()).prop_map(|(old, new, at)| changed_number(old, new, at)),
        (phone(), user_id(), user_id(), at())
            .prop_map(|(phone, old, new, at)| changed_user_id(phone, old, new, at)),
    ];
    prop::collection::vec(one, 3..12)
}

async fn links(app: &App) -> Vec<String> {
    let mut lines = dump(&app.database).await;
    lines.retain(|line| line.starts_with("person_links "));
    lines
}

#[actix_web::test]
async fn the_order_of_arrival_a_replay_and_a_rebuild_are_not_seen_in_what_is_known_of_customers() {
    let mut generator = Generator::new();
    while generator.next_round(4).is_some() {
        let history = generator.value(&histories());
        let mut results = Vec::new();
        for backwards in [false, true] {
            let app = start_app().await;
            let mut ordered: Vec<&Value> = history.iter().chain(&history).collect();
            if backwards {
                ordered.reverse();
            }
            for (place, body) in ordered.into_iter().enumerate() {
                app.deliver_callback(SOBOT, body).await;
                if place % 3 == 0 {
                    app.apply_callbacks().await;
                }
            }
            app.run_jobs_until_idle().await;
            let known = links(&app).await;
            assert!(!known.is_empty());
            let replay = json!({ "account": SOBOT, "dry_run": false });
            app.post_json("/api/v1/callbacks/replay", &replay).await;
            assert_same(&known, &links(&app).await);
            bluetick::operating::rebuild::rebuild(&app.services, &mut |_| {})
                .await
                .unwrap();
            assert_same(&known, &links(&app).await);
            results.push(known);
            app.finish().await;
        }
        assert_same(&results[0], &results[1]);
    }
}

#[actix_web::test]
async fn a_link_that_no_callback_names_any_longer_is_purged_with_the_messages() {
    let app = start_app().await;
    deliver(&app, SOBOT, &inbound(Some(OLD), Some(ADA), noon())).await;
    app.advance(TimeDelta::days(1));
    deliver(&app, SOBOT, &inbound(Some(NEW), Some(BEN), app.now())).await;
    assert_eq!(links(&app).await.len(), 2);
    let kept = i64::from(app.services.config.retention.messages);
    app.advance(TimeDelta::days(kept) - TimeDelta::hours(11));
    app.services.retention.purge(&mut |_| {}).await.unwrap();
    let left = links(&app).await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].contains(BEN), "{left:?}");
    app.finish().await;
}
