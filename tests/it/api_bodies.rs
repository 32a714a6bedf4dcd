//! Bodies that the API refuses: each mistake is named, and no JSON makes the program fail.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::api::{keys, named};
use crate::harness::app::{ACCOUNTS, CUSTOMER, KALEYRA, SOBOT, image_to, message, read, start_app};
use crate::harness::generator::Generator;

#[actix_web::test]
async fn what_is_wrong_with_a_body_is_named() {
    let app = start_app().await;
    let base = message(KALEYRA, "image");
    let with = |path: &str, value: Value| {
        let mut body = base.clone();
        *body.pointer_mut(path).unwrap() = value;
        body
    };
    let plus = |key: &str, value: Value| {
        let mut body = base.clone();
        body[key] = value;
        body
    };
    for (body, field) in [
        (plus("colour", json!("red")), "colour"),
        (plus("refs", json!({ "ref3": "x" })), "refs.ref3"),
        (plus("options", json!({ "source": "x" })), "options.source"),
        (
            plus("options", json!({ "wa_source": "x" })),
            "options.wa_source",
        ),
        (plus("media", json!({ "link": "x" })), "media.link"),
        (with("/account", json!("unknown")), "account"),
        (with("/account", json!(7)), "account"),
        (with("/to", json!("0123")), "to"),
        (with("/kind", json!("hologram")), "kind"),
        (plus("from", json!("+15550001111")), "from"),
        (with("/caption", json!("x".repeat(1025))), "caption"),
        (with("/media/url", json!("ftp://x/a.jpg")), "media.url"),
        (plus("client_reference", json!({})), "client_reference"),
    ] {
        let reply = app
            .request("POST", "/api/v1/messages")
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(reply.headers()["content-type"], "application/problem+json");
        let problem: Value = reply.json().await.unwrap();
        assert_eq!(
            keys(&problem),
            named("type title status code detail errors"),
            "{field}"
        );
        assert_eq!(
            (&problem["status"], &problem["code"]),
            (&json!(422), &json!("invalid_request"))
        );
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
        assert_eq!(keys(&problem["errors"][0]), named("field message"));
    }
    let mut without_kind = base.clone();
    without_kind.as_object_mut().unwrap().remove("kind");
    let (_, problem) = app.post_json("/api/v1/messages", &without_kind).await;
    let expected = json!({ "field": "kind", "message": "is missing; use image or video" });
    assert_eq!(problem["errors"], json!([expected]));
    for (kind, body, status, code) in [
        ("application/json", "{", 400, "malformed_json"),
        ("text/plain", "{}", 415, "unsupported_media_type"),
        ("application/json", &"x".repeat(300_000), 413, "too_large"),
    ] {
        let request = app
            .request("POST", "/api/v1/messages")
            .header("content-type", kind)
            .body(body.to_owned());
        let (shown, problem) = read(request).await;
        assert_eq!((shown, &problem["code"]), (status, &json!(code)));
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_key_belongs_to_one_body() {
    let app = start_app().await;
    let send = |body: Value| {
        app.request("POST", "/api/v1/messages")
            .header("Idempotency-Key", "order 42")
            .json(&body)
    };
    let first = send(image_to(SOBOT, CUSTOMER)).send().await.unwrap();
    assert!(first.headers().get("idempotency-replayed").is_none());
    let first: Value = first.json().await.unwrap();
    let again = send(image_to(SOBOT, CUSTOMER)).send().await.unwrap();
    assert_eq!(again.status(), 202);
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(again.json::<Value>().await.unwrap(), first);
    let (status, problem) = read(send(image_to(SOBOT, "+44 7700 900124"))).await;
    assert_eq!(
        (status, &problem["code"]),
        (409, &json!("idempotency_key_reused"))
    );
    let elsewhere = send(image_to(KALEYRA, CUSTOMER)).send().await.unwrap();
    assert_eq!(elsewhere.status(), 202, "keys are per account");
    app.finish().await;
}

/// Any JSON.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec![
            "\0",
            "+919970123456",
            "https://media.example.com/a.jpg",
            "sobot-main",
            "image",
            "٩٩٧٠١٢٣٤٥٦٧",
            "http://[::1",
            "wamid.",
            "\u{202e}",
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// A good body of which some parts were replaced by anything, or anything at all.
fn any_body() -> impl Strategy<Value = Value> {
    let places = vec![
        "account",
        "from",
        "to",
        "name",
        "kind",
        "media",
        "caption",
        "refs",
        "client_reference",
        "options",
        "media/url",
        "media/id",
        "media/mime_type",
        "refs/ref",
        "refs/ref1",
        "refs/ref2",
        "options/wa_source",
        "options/source",
        "options/linkWithRecord",
    ];
    let replaced = prop::collection::vec((prop::sample::select(places), any_json()), 1..4);
    let changed =
        (prop::sample::select(ACCOUNTS.to_vec()), replaced).prop_map(|(account, changes)| {
            let mut body = message(account, "image");
            for (place, value) in changes {
                match place.split_once('/') {
                    None => body[place] = value,
                    Some((outer, inner)) => {
                        if !body[outer].is_object() {
                            body[outer] = json!({});
                        }
                        body[outer][inner] = value;
                    }
                }
            }
            body
        });
    prop_oneof![4 => changed, 1 => any_json()]
}

#[actix_web::test]
async fn no_json_makes_the_program_fail() {
    let app = start_app().await;
    let mut generator = Generator::new();
    let mut seen = BTreeSet::new();
    while generator.next_round(400).is_some() {
        let body = generator.value(&any_body());
        let (status, reply) = app.post_json("/api/v1/messages", &body).await;
        assert!(
            matches!(status, 202 | 400 | 422),
            "{status} {reply} for {body}"
        );
        if status == 422 {
            let errors = reply["errors"].as_array().unwrap();
            assert!(!errors.is_empty(), "{reply} for {body}");
        }
        seen.insert(status);
    }
    assert!(seen.contains(&202) && seen.contains(&422), "{seen:?}");
    app.finish().await;
}
