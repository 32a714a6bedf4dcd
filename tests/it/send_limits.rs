//! What a send request may hold: every documented limit is checked, and refused by field.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::app::{
    App, KALEYRA, LANCEPILOT, Reply, SOBOT, ZIXFLOW, message, read, start_app,
};

pub(crate) const IMAGE_LIMIT: usize = 5120 * 1024;
pub(crate) const VIDEO_LIMIT: usize = 16384 * 1024;

/// The fields that a refusal names, and the refusal's own form.
pub(crate) fn fields((status, body): &Reply) -> BTreeSet<String> {
    assert_eq!(*status, 422, "{body}");
    assert_eq!(body["code"], "invalid_request");
    assert_eq!(body["status"], 422);
    body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| {
            assert!(!error["message"].as_str().unwrap().is_empty());
            error["field"].as_str().unwrap().to_owned()
        })
        .collect()
}

pub(crate) fn named<const N: usize>(fields: [&str; N]) -> BTreeSet<String> {
    fields.map(str::to_owned).into()
}

pub(crate) async fn submit(app: &App, body: &Value) -> Reply {
    app.post_json("/api/v1/messages", body).await
}

/// A message with one member replaced; `path` is a JSON pointer.
pub(crate) fn with(account: &str, kind: &str, path: &str, value: Value) -> Value {
    let mut body = message(account, kind);
    let (parent, name) = path.rsplit_once('/').unwrap();
    let parent = body.pointer_mut(parent).unwrap();
    parent[name] = value;
    body
}

#[actix_web::test]
async fn every_documented_limit_is_refused_by_the_fields_name() {
    let app = start_app().await;
    let at = |length: usize| json!("é".repeat(length));
    let cases: Vec<(Value, &str)> = vec![
        (with(SOBOT, "image", "/to", json!("9970123456")), "to"),
        (with(SOBOT, "image", "/to", json!("+44 7700 9001x")), "to"),
        (
            with(SOBOT, "image", "/to", json!("+1234567890123456")),
            "to",
        ),
        (with(SOBOT, "image", "/to", json!("")), "to"),
        (
            with(SOBOT, "image", "/to", json!("+44\u{0}7700900123")),
            "to",
        ),
        (
            with(SOBOT, "image", "/to", json!(447_700_900_123_i64)),
            "to",
        ),
        (with(SOBOT, "image", "/kind", json!("sticker")), "kind"),
        (
            with(SOBOT, "image", "/account", json!("unknown")),
            "account",
        ),
        (with(SOBOT, "image", "/account", json!("")), "account"),
        (with(SOBOT, "image", "/name", Value::Null), "name"),
        (with(SOBOT, "image", "/name", json!("  ")), "name"),
        (with(SOBOT, "image", "/name", at(257)), "name"),
        (with(SOBOT, "image", "/name", json!("a\u{0}b")), "name"),
        (
            with(SOBOT, "image", "/from", json!("+449999999999")),
            "from",
        ),
        (with(SOBOT, "image", "/from", json!("office")), "from"),
        (with(ZIXFLOW, "image", "/caption", at(1025)), "caption"),
        (
            with(ZIXFLOW, "image", "/caption", json!("a\u{0}")),
            "caption",
        ),
        (
            with(KALEYRA, "image", "/refs", json!({ "ref": "x".repeat(256) })),
            "refs.ref",
        ),
        (
            with(
                KALEYRA,
                "image",
                "/refs",
                json!({ "ref1": "é".repeat(256) }),
            ),
            "refs.ref1",
        ),
        (
            with(
                ZIXFLOW,
                "image",
                "/refs",
                json!({ "ref2": "x".repeat(256) }),
            ),
            "refs.ref2",
        ),
        (
            with(ZIXFLOW, "image", "/refs", json!({ "ref3": "x" })),
            "refs.ref3",
        ),
        (
            with(
                KALEYRA,
                "image",
                "/refs",
                json!({ "ref": "x".repeat(255), "ref1": "y".repeat(255), "ref2": "z".repeat(226) }),
            ),
            "refs",
        ),
        (
            with(KALEYRA, "image", "/refs", json!({ "ref": "\u{0}" })),
            "refs.ref",
        ),
        (
            with(SOBOT, "image", "/client_reference", at(256)),
            "client_reference",
        ),
        (
            with(SOBOT, "image", "/client_reference", json!("\u{0}")),
            "client_reference",
        ),
        (
            with(
                SOBOT,
                "image",
                "/media/url",
                json!("ftp://example.com/a.jpg"),
            ),
            "media.url",
        ),
        (
            with(SOBOT, "image", "/media/url", json!("file:///etc/passwd")),
            "media.url",
        ),
        (
            with(SOBOT, "image", "/media/url", json!("a.jpg")),
            "media.url",
        ),
        (
            with(
                SOBOT,
                "image",
                "/media/url",
                json!("https://example.com/a b.jpg"),
            ),
            "media.url",
        ),
        (
            with(
                SOBOT,
                "image",
                "/media/url",
                json!(format!("https://e.com/{}.jpg", "x".repeat(2048))),
            ),
            "media.url",
        ),
        (
            with(
                SOBOT,
                "image",
                "/media",
                json!({ "url": "https://example.com/a.mp4" }),
            ),
            "media.url",
        ),
        (
            with(
                SOBOT,
                "image",
                "/media",
                json!({ "url": "https://example.com/a" }),
            ),
            "media.mime_type",
        ),
        (
            with(
                SOBOT,
                "image",
                "/media",
                json!({ "url": "https://example.com/a", "mime_type": "image/webp" }),
            ),
            "media.mime_type",
        ),
        (
            with(
                SOBOT,
                "video",
                "/media",
                json!({ "url": "https://example.com/a", "mime_type": "image/png" }),
            ),
            "media.mime_type",
        ),
        (
            with(
                SOBOT,
                "video",
                "/media",
                json!({ "url": "https://example.com/a", "mime_type": "video/mp4;codecs=hevc" }),
            ),
            "media.mime_type",
        ),
        (
            with(SOBOT, "image", "/media", json!({ "id": "7" })),
            "media.id",
        ),
        (
            with(LANCEPILOT, "image", "/media", json!({ "id": "7" })),
            "media.id",
        ),
        (
            with(
                KALEYRA,
                "image",
                "/media",
                json!({ "id": "7", "url": "https://example.com/a.jpg" }),
            ),
            "media",
        ),
        (with(KALEYRA, "image", "/media", json!({})), "media"),
        (
            with(KALEYRA, "image", "/media", json!({ "id": " " })),
            "media.id",
        ),
        (with(KALEYRA, "image", "/media", Value::Null), "media"),
        (
            with(
                KALEYRA,
                "image",
                "/media",
                json!({ "link": "https://example.com/a.jpg" }),
            ),
            "media.link",
        ),
        (
            with(KALEYRA, "image", "/options", json!({ "wa_source": "API" })),
            "options.wa_source",
        ),
        (
            with(KALEYRA, "image", "/options", json!({ "source": "x" })),
            "options.source",
        ),
        (
            with(SOBOT, "image", "/options", json!({ "wa_source": "api" })),
            "options.wa_source",
        ),
        (
            with(
                ZIXFLOW,
                "image",
                "/options",
                json!({ "linkWithRecord": true }),
            ),
            "options.source",
        ),
        (
            with(
                ZIXFLOW,
                "image",
                "/options",
                json!({ "linkWithRecord": "true", "source": "x" }),
            ),
            "options.linkWithRecord",
        ),
        (
            with(ZIXFLOW, "image", "/options", json!({ "source": "" })),
            "options.source",
        ),
        (
            with(
                ZIXFLOW,
                "image",
                "/options",
                json!({ "submissionStatus": false }),
            ),
            "options.submissionStatus",
        ),
        (with(ZIXFLOW, "image", "/colour", json!("red")), "colour"),
    ];
    for (body, field) in &cases {
        let reply = submit(&app, body).await;
        assert_eq!(fields(&reply), named([field]), "{body}");
    }
    let (_, body) = submit(
        &app,
        &with(KALEYRA, "image", "/options", json!({ "wa_source": "mail" })),
    )
    .await;
    let words = body["errors"][0]["message"].as_str().unwrap();
    for source in bluetick::providers::kaleyra::WA_SOURCES {
        assert!(words.contains(source), "{words}");
    }
    let (_, body) = submit(&app, &with(SOBOT, "image", "/to", json!("9970123456"))).await;
    assert_eq!(body["errors"][0]["message"], "write the country code");
    app.run_jobs_until_idle().await;
    assert!(app.simulator.received().is_empty());
    app.finish().await;
}

#[actix_web::test]
async fn values_exactly_at_a_limit_are_accepted() {
    let app = start_app().await;
    let bodies = [
        // Characters are counted, not bytes.
        with(LANCEPILOT, "image", "/caption", json!("👍".repeat(1024))),
        with(SOBOT, "image", "/name", json!("é".repeat(256))),
        with(ZIXFLOW, "image", "/refs", json!({ "ref": "é".repeat(255) })),
        with(SOBOT, "image", "/client_reference", json!("é".repeat(255))),
        with(
            KALEYRA,
            "image",
            "/refs",
            json!({ "ref": "x".repeat(255), "ref1": "y".repeat(255), "ref2": "z".repeat(225) }),
        ),
        with(
            SOBOT,
            "video",
            "/media",
            json!({ "url": "https://example.com/a", "mime_type": "video/3gpp" }),
        ),
        with(SOBOT, "image", "/from", json!("91 9000-000001")),
        with(
            ZIXFLOW,
            "image",
            "/options",
            json!({ "linkWithRecord": false }),
        ),
    ];
    for body in &bodies {
        let id = app.send(body).await;
        app.run_jobs_until_idle().await;
        let shown = app.message(&id).await;
        assert_eq!(shown["state"], "submitted", "{body}: {shown}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn several_wrong_fields_are_all_named_at_once() {
    let app = start_app().await;
    let body = json!({
        "account": ZIXFLOW,
        "from": "unknown",
        "to": "12",
        "name": "x".repeat(257),
        "kind": "image",
        "media": { "id": "7", "mime_type": "image/gif" },
        "caption": "x".repeat(1025),
        "refs": { "ref": "x".repeat(256) },
        "client_reference": "x".repeat(256),
        "options": { "linkWithRecord": true, "colour": 1 },
    });
    let reply = submit(&app, &body).await;
    assert_eq!(
        fields(&reply),
        named([
            "from",
            "to",
            "name",
            "media.id",
            "media.mime_type",
            "caption",
            "refs.ref",
            "client_reference",
            "options.colour",
            "options.source",
        ])
    );
    app.finish().await;
}

#[actix_web::test]
async fn a_request_that_is_no_message_is_refused_as_a_problem() {
    let app = start_app().await;
    let post = |kind: &str, body: &str| {
        app.request("POST", "/api/v1/messages")
            .header("content-type", kind)
            .body(body.to_owned())
    };
    let problem = |reply: &Reply| {
        (
            reply.0,
            reply.1["code"].as_str().unwrap_or_default().to_owned(),
        )
    };
    for (request, status, code) in [
        (post("application/json", "{"), 400, "malformed_json"),
        (post("application/json", ""), 400, "malformed_json"),
        (post("application/json", "[]"), 422, "invalid_request"),
        (post("text/plain", "hello"), 415, "unsupported_media_type"),
        (post("multipart/form-data", "x"), 400, "malformed_request"),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        let reply = crate::harness::app::read_response(response).await;
        assert_eq!(problem(&reply), (status, code.to_owned()));
    }
    let huge = post(
        "application/json",
        &format!("{{\"x\":\"{}\"}}", "y".repeat(300 * 1024)),
    );
    assert_eq!(read(huge).await.0, 413);
    app.finish().await;
}
