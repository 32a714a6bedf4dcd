//! Messages on their way out: checked by field, stored before the call, sent exactly as documented, once.

use std::collections::BTreeSet;
use std::time::Duration;

use bluetick::domain::scope::Scope;
use bluetick::simulator::ForcedReply;
use chrono::{DateTime, TimeDelta};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::harness::app::{
    ACCOUNTS, App, KALEYRA, LANCEPILOT, Reply, SOBOT, ZIXFLOW, message, read, start_app,
    start_app_with,
};

const IMAGE_LIMIT: usize = 5120 * 1024;
const VIDEO_LIMIT: usize = 16384 * 1024;

/// The fields that a refusal names, and the refusal's own form.
fn fields((status, body): &Reply) -> BTreeSet<String> {
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

fn named<const N: usize>(fields: [&str; N]) -> BTreeSet<String> {
    fields.map(str::to_owned).into()
}

/// A message with one member replaced; `path` is a JSON pointer.
fn with(account: &str, kind: &str, path: &str, value: Value) -> Value {
    let mut body = message(account, kind);
    let (parent, name) = path.rsplit_once('/').unwrap();
    let parent = body.pointer_mut(parent).unwrap();
    parent[name] = value;
    body
}

async fn submit(app: &App, body: &Value) -> Reply {
    app.post_json("/api/v1/messages", body).await
}

// --- What the provider gets ------------------------------------------------------

#[actix_web::test]
async fn every_provider_gets_exactly_what_it_documents() {
    let app = start_app().await;
    for kind in ["image", "video"] {
        let file = if kind == "image" { "a.jpg" } else { "a.mp4" };
        let url = format!("https://media.example.com/{file}");
        let mime_type = if kind == "image" {
            "image/jpeg"
        } else {
            "video/mp4"
        };
        let caption = "Your order is on its way";
        let mut sent = Vec::new();
        for account in ACCOUNTS {
            sent.push(app.send(&message(account, kind)).await);
            app.run_jobs_until_idle().await;
        }
        let last = |account| app.received(account).pop().unwrap();

        let request = last(SOBOT);
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("POST", "/message/")
        );
        assert_eq!(request.header("x-api-key"), Some("sobot-key"));
        assert_eq!(request.header("x-api-secret"), Some("sobot-secret"));
        let expected = json!({ "type": kind, "url": url, "customer_number": "447700900123", "customer_name": "Ines Moreau", "mime_type": mime_type, "caption": caption });
        assert_eq!(request.json(), expected);

        let request = last(KALEYRA);
        assert_eq!(
            request.path,
            "/v2/HXAP1700000000IN/whatsapp/+919000000002/messages"
        );
        assert_eq!(request.header("api-key"), Some("kaleyra-key"));
        let tag = bluetick::domain::correlation_tag::format_tag(sent[1].parse().unwrap());
        let expected = json!({
            "messaging_object": { "messaging_product": "whatsapp", "recipient_type": "individual", "to": "+447700900123", "type": kind, (kind): { "link": url, "caption": caption } },
            "extra_info": { "ref2": tag, "wa_source": "api" },
        });
        assert_eq!(request.json(), expected);

        let request = last(ZIXFLOW);
        assert_eq!(request.path, "/api/v1/campaign/whatsapp/message/send");
        assert_eq!(
            request.header("authorization"),
            Some("Bearer zixflow-token")
        );
        let body = request.json();
        let report_url = body["reportURL"].as_str().unwrap();
        assert!(report_url.starts_with(&app.url("/reports/")));
        let expected = json!({ "to": "447700900123", "phoneId": "104898309288001", "type": kind, (kind): { "link": url, "caption": caption }, "submissionStatus": true, "reportURL": report_url });
        assert_eq!(body, expected);

        let request = last(LANCEPILOT);
        assert_eq!(
            request.path,
            format!(
                "/api/v3/workspaces/9c0e1b1e-0000-4000-8000-00000000000a/contacts/number/447700900123/messages/{kind}"
            )
        );
        assert_eq!(
            request.header("authorization"),
            Some("Bearer lancepilot-token")
        );
        assert_eq!(request.header("accept"), Some("application/json"));
        assert_eq!(request.json(), json!({ "file": url, "caption": caption }));

        for id in &sent {
            assert_eq!(app.state(id).await, "submitted");
        }
    }
    app.finish().await;
}

#[actix_web::test]
async fn options_and_references_travel_as_the_caller_wrote_them() {
    let app = start_app().await;
    let mut kaleyra = message(KALEYRA, "video");
    kaleyra["media"] = json!({ "id": "media-77" });
    kaleyra["refs"] = json!({ "ref": "spring", "ref1": "" });
    kaleyra["options"] = json!({ "wa_source": "shopify" });
    app.send(&kaleyra).await;
    let mut zixflow = message(ZIXFLOW, "image");
    zixflow["options"] = json!({ "source": "API", "linkWithRecord": true });
    zixflow["refs"] = json!({ "ref": "kept by us" });
    let kept = app.send(&zixflow).await;
    app.run_jobs_until_idle().await;
    let body = app.received(KALEYRA)[0].json();
    assert_eq!(body["messaging_object"]["video"]["id"], "media-77");
    assert!(body["messaging_object"]["video"].get("link").is_none());
    assert_eq!(body["extra_info"]["ref"], "spring");
    assert!(body["extra_info"].get("ref1").is_none());
    assert_eq!(body["extra_info"]["wa_source"], "shopify");
    let body = app.received(ZIXFLOW)[0].json();
    assert_eq!(body["source"], "API");
    assert_eq!(body["linkWithRecord"], true);
    assert!(!body.to_string().contains("kept by us"));
    assert_eq!(app.message(&kept).await["refs"]["ref"], "kept by us");
    app.finish().await;
}

// --- Uploads -------------------------------------------------------------------

/// The message and the file as a form.
fn form(message: &Value, bytes: Vec<u8>, name: &str, mime_type: &str) -> Form {
    let file = Part::bytes(bytes)
        .file_name(name.to_owned())
        .mime_str(mime_type)
        .unwrap();
    Form::new()
        .text("message", message.to_string())
        .part("file", file)
}

/// A message without media, for a file beside it.
fn without_media(account: &str, kind: &str) -> Value {
    let mut body = message(account, kind);
    body.as_object_mut().unwrap().remove("media");
    body
}

async fn upload(app: &App, body: &Value, bytes: Vec<u8>, name: &str, mime_type: &str) -> Reply {
    let request = app.request("POST", "/api/v1/messages");
    read(request.multipart(form(body, bytes, name, mime_type))).await
}

/// Bytes that no text survives.
fn noise(length: usize) -> Vec<u8> {
    let scale: Vec<u8> = (0..=250).rev().collect();
    let mut bytes = scale.repeat(length / scale.len() + 1);
    bytes.truncate(length);
    bytes
}

/// Files waiting for submission, in the folder for uploads or in the database.
async fn kept_uploads(app: &App) -> usize {
    app.services.uploads.drop_shared(app.now()).await.unwrap();
    let files = std::fs::read_dir(app.database.folder().join("uploads"));
    let rows = app.database.query("SELECT 'one' AS line FROM uploads");
    files.map_or(0, Iterator::count) + rows.await.len()
}

#[actix_web::test]
async fn an_uploaded_file_arrives_at_lancepilot_byte_for_byte() {
    let app = start_app().await;
    for (kind, name, mime_type, part_name, part_type) in [
        (
            "image",
            "any name.JPG",
            "image/jpeg",
            "image.jpg",
            "image/jpeg",
        ),
        ("image", "p.png", "image/png", "image.png", "image/png"),
        ("video", "v.mp4", "video/mp4", "video.mp4", "video/mp4"),
        (
            "video",
            "v.3gp",
            "application/octet-stream",
            "video.3gp",
            "video/3gpp",
        ),
    ] {
        let bytes = noise(70_000);
        let (status, reply) = upload(
            &app,
            &without_media(LANCEPILOT, kind),
            bytes.clone(),
            name,
            mime_type,
        )
        .await;
        assert_eq!(status, 202, "{reply}");
        app.run_jobs_until_idle().await;
        assert_eq!(app.state(reply["id"].as_str().unwrap()).await, "submitted");
        let request = app.received(LANCEPILOT).pop().unwrap();
        assert!(
            request
                .header("content-type")
                .unwrap()
                .starts_with("multipart/form-data")
        );
        assert!(request.header("content-length").is_some());
        let body = &request.body;
        let at = body.windows(bytes.len()).position(|part| part == bytes);
        let head = String::from_utf8_lossy(&body[..at.expect("the file is not in the body")])
            .to_lowercase();
        assert!(
            head.contains(&format!("name=\"file\"; filename=\"{part_name}\"")),
            "{head}"
        );
        assert!(
            head.contains(&format!("content-type: {part_type}\r\n")),
            "{head}"
        );
        assert!(head.contains("name=\"caption\""));
    }
    assert_eq!(
        kept_uploads(&app).await,
        0,
        "files are deleted after submission"
    );
    app.finish().await;
}

#[actix_web::test]
async fn the_largest_file_is_taken_and_one_byte_more_is_refused_by_name() {
    let app = start_app().await;
    for (kind, name, mime_type, limit) in [
        ("image", "a.jpg", "image/jpeg", IMAGE_LIMIT),
        ("video", "a.mp4", "video/mp4", VIDEO_LIMIT),
    ] {
        let body = without_media(LANCEPILOT, kind);
        let (status, reply) = upload(&app, &body, noise(limit), name, mime_type).await;
        assert_eq!(status, 202, "{reply}");
        app.run_jobs_until_idle().await;
        assert_eq!(app.state(reply["id"].as_str().unwrap()).await, "submitted");
        let reply = upload(&app, &body, noise(limit + 1), name, mime_type).await;
        assert_eq!(fields(&reply), named(["file"]));
    }
    let empty = upload(
        &app,
        &without_media(LANCEPILOT, "image"),
        Vec::new(),
        "a.jpg",
        "image/jpeg",
    )
    .await;
    assert_eq!(fields(&empty), named(["file"]));
    assert_eq!(app.received(LANCEPILOT).len(), 2);
    assert_eq!(kept_uploads(&app).await, 0);
    app.finish().await;
}

#[actix_web::test]
async fn a_wrong_upload_is_refused_by_name_and_not_kept() {
    let app = start_app().await;
    let both = upload(
        &app,
        &message(LANCEPILOT, "image"),
        noise(10),
        "a.jpg",
        "image/jpeg",
    )
    .await;
    assert_eq!(fields(&both), named(["media"]));
    let wrong = upload(
        &app,
        &without_media(LANCEPILOT, "image"),
        noise(10),
        "a.webp",
        "image/webp",
    )
    .await;
    assert_eq!(fields(&wrong), named(["file"]));
    let unnamed = Form::new().text("message", message(LANCEPILOT, "image").to_string());
    let request = app.request("POST", "/api/v1/messages").multipart(unnamed);
    assert_eq!(fields(&read(request).await), named(["file"]));
    let leftovers = std::fs::read_dir(app.database.folder())
        .unwrap()
        .filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .file_name()
                .to_string_lossy()
                .starts_with(".tmp")
        })
        .count();
    assert_eq!((kept_uploads(&app).await, leftovers), (0, 0));
    app.finish().await;
}

#[actix_web::test]
async fn a_file_goes_with_the_message_that_will_never_need_it() {
    let app = start_app().await;
    let body = without_media(LANCEPILOT, "image");
    let mut ids = Vec::new();
    for _ in 0..2 {
        let (_, reply) = upload(&app, &body, noise(100), "a.jpg", "image/jpeg").await;
        ids.push(reply["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(kept_uploads(&app).await, 2);
    app.post(&format!("/api/v1/messages/{}/cancel", ids[0]))
        .await;
    assert_eq!(kept_uploads(&app).await, 1, "cancelled");
    app.advance(chrono::TimeDelta::hours(2));
    app.run_jobs_until_idle().await;
    assert_eq!(app.message(&ids[1]).await["failure"]["class"], "expired");
    assert_eq!(kept_uploads(&app).await, 0, "expired");
    app.finish().await;
}

#[actix_web::test]
async fn leftover_files_are_removed_however_many_files_wait() {
    let app = start_app().await;
    let folder = app.database.folder().join("uploads");
    let put = |name: &str| std::fs::write(folder.join(name), "file").unwrap();
    // Made first and last, so that some come late in whatever order a file system lists them.
    let leftovers: Vec<String> = (0..20).map(|n| format!("leftover-{n}.jpg")).collect();
    leftovers[..10].iter().for_each(|name| put(name));
    let mut waiting = Vec::new();
    for _ in 0..520 {
        let name = format!("{}.jpg", app.send_image(LANCEPILOT).await);
        put(&name);
        waiting.push(name);
    }
    leftovers[10..].iter().for_each(|name| put(name));
    // Files are as old as the machine's clock says, which is not the test's.
    let later = app.now() + TimeDelta::days(36_500);
    app.services.uploads.sweep(later).await.unwrap();
    let is_there = |name: &&String| folder.join(name).exists();
    assert_eq!(leftovers.iter().filter(is_there).count(), 0);
    assert_eq!(waiting.iter().filter(is_there).count(), waiting.len());
    app.finish().await;
}

// --- Limits, by field ------------------------------------------------------------

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

#[actix_web::test]
async fn sending_needs_its_scope_and_reading_hides_people() {
    let app = start_app().await;
    let body = message(LANCEPILOT, "image");
    for (scope, status) in [
        (Scope::Send, 202),
        (Scope::Read, 403),
        (Scope::Operate, 403),
        (Scope::Admin, 202),
    ] {
        let request = app
            .request_as(scope, "POST", "/api/v1/messages")
            .json(&body);
        assert_eq!(read(request).await.0, status, "{scope}");
    }
    let bare = app.client.post(app.url("/api/v1/messages")).json(&body);
    assert_eq!(read(bare).await.0, 401);
    let id = app.send(&message(SOBOT, "image")).await;
    app.run_jobs_until_idle().await;
    let path = format!("/api/v1/messages/{id}");
    let (status, shown) = read(app.request_as(Scope::Read, "GET", &path)).await;
    assert_eq!(status, 200);
    assert_eq!(shown["to"], "4477•••••123");
    let text = shown.to_string();
    for secret in ["447700900123", "Ines", "Your order", "media.example.com/"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert_eq!(shown["media"]["url"], "media.example.com");
    assert!(
        shown["provider_id"]
            .as_str()
            .unwrap()
            .starts_with("wamid.…")
    );
    assert_eq!(read(app.request_as(Scope::Send, "GET", &path)).await.0, 403);
    app.finish().await;
}

// --- Once ------------------------------------------------------------------------

fn keyed(app: &App, key: &str, body: &Value) -> reqwest::RequestBuilder {
    app.request("POST", "/api/v1/messages")
        .header("idempotency-key", key)
        .json(body)
}

#[actix_web::test]
async fn a_repeated_request_makes_no_second_message() {
    let app = start_app().await;
    let body = message(SOBOT, "image");
    let first = keyed(&app, "k-1", &body).send().await.unwrap();
    assert!(first.headers().get("idempotency-replayed").is_none());
    let (_, first) = crate::harness::app::read_response(first).await;
    app.run_jobs_until_idle().await;
    let again = keyed(&app, "k-1", &body).send().await.unwrap();
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    let (status, again) = crate::harness::app::read_response(again).await;
    assert_eq!(status, 202);
    assert_eq!(again, first);
    let (status, other) = read(keyed(&app, "k-1", &message(SOBOT, "video"))).await;
    assert_eq!(
        (status, other["code"].as_str()),
        (409, Some("idempotency_key_reused"))
    );
    // Keys are per account.
    let (status, _) = read(keyed(&app, "k-1", &message(ZIXFLOW, "image"))).await;
    assert_eq!(status, 202);
    let too_long = read(keyed(&app, &"k".repeat(256), &body)).await;
    assert_eq!(fields(&too_long), named(["Idempotency-Key"]));
    app.run_jobs_until_idle().await;
    assert_eq!(app.received(SOBOT).len(), 1);
    app.finish().await;
}

#[actix_web::test]
async fn parallel_requests_with_one_key_make_one_message_and_one_call() {
    let app = start_app().await;
    let body = message(SOBOT, "image");
    let requests = (0..32).map(|_| read(keyed(&app, "the-key", &body)));
    let replies = futures_util::future::join_all(requests).await;
    let ids: BTreeSet<&str> = replies
        .iter()
        .map(|(status, body)| {
            assert_eq!(*status, 202, "{body}");
            body["id"].as_str().unwrap()
        })
        .collect();
    assert_eq!(ids.len(), 1);
    app.run_jobs_until_idle().await;
    assert_eq!(app.received(SOBOT).len(), 1);
    app.finish().await;
}

#[actix_web::test]
async fn two_workers_never_submit_the_same_message() {
    let app = start_app().await;
    for _ in 0..12 {
        app.send_image(SOBOT).await;
    }
    let mut number = 0;
    loop {
        let workers = (0..4).map(|_| app.services.dispatcher.claim_due());
        let mut claimed = Vec::new();
        for work in futures_util::future::join_all(workers).await {
            claimed.extend(work.unwrap());
        }
        if claimed.is_empty() {
            break;
        }
        number += claimed.len();
        for work in claimed {
            app.services.dispatcher.submit(work).await;
        }
    }
    assert_eq!(number, 12);
    assert_eq!(app.received(SOBOT).len(), 12);
    app.finish().await;
}

// --- Waiting for the outcome --------------------------------------------------------

#[actix_web::test]
async fn a_caller_that_waits_learns_the_outcome() {
    let app = start_app().await;
    let wait = |seconds: u32| {
        let request = app.request("POST", "/api/v1/messages");
        let request = request.header("prefer", format!("wait={seconds}"));
        read(request.json(&message(SOBOT, "image")))
    };
    let work = async {
        loop {
            app.run_jobs_until_idle().await;
            tokio::task::yield_now().await;
        }
    };
    let (status, body) = tokio::select! {
        reply = wait(30) => reply,
        () = work => unreachable!(),
    };
    assert_eq!((status, body["state"].as_str()), (201, Some("submitted")));
    let (status, body) = wait(0).await;
    assert_eq!((status, body["state"].as_str()), (202, Some("queued")));
    assert_eq!(fields(&wait(31).await), named(["Prefer"]));
    app.finish().await;
}

// --- What is kept of a call ----------------------------------------------------------

#[actix_web::test]
async fn a_failed_attempt_is_kept_without_keys_and_report_token() {
    let app = start_app().await;
    for (account, secrets) in [
        (SOBOT, vec!["sobot-key", "sobot-secret"]),
        (KALEYRA, vec!["kaleyra-key"]),
        (ZIXFLOW, vec!["zixflow-token"]),
        (LANCEPILOT, vec!["lancepilot-token"]),
    ] {
        // A provider that repeats what it was shown.
        let words = format!("bad credentials {}", secrets.join(" "));
        app.force(
            account,
            ForcedReply::json(
                403,
                &json!({ "message": words, "error": { "x": words }, "status": 403 }),
            ),
        );
        let id = app.send_image(account).await;
        app.run_jobs_until_idle().await;
        let (status, refused) = app.get(&format!("/api/v1/messages/{id}")).await;
        assert_eq!(
            (status, refused["state"].as_str()),
            (200, Some("failed")),
            "{refused}"
        );
        let attempt = &refused["attempts"][0];
        assert_eq!(attempt["http_status"], 403);
        let request = attempt["request"].as_str().unwrap();
        assert!(request.starts_with("POST http://"), "{request}");
        assert!(request.contains('…') && attempt["reply"].as_str().unwrap().contains('…'));
        let token = app
            .services
            .keys
            .report_token(&account.parse().unwrap(), id.parse().unwrap());
        let timeline = app.found(&format!("/api/v1/messages/{id}/timeline")).await;
        let shown = format!("{refused}{timeline}");
        for secret in secrets.iter().copied().chain([token.as_str()]) {
            assert!(!shown.contains(secret), "{account}: {secret} in {shown}");
        }
        assert!(shown.contains("bad credentials …"));
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_reply_id_that_is_too_long_is_kept_whole_in_the_attempt_and_reported() {
    let app = start_app().await;
    let long = format!("wamid.{}", "A".repeat(507));
    app.force(
        SOBOT,
        ForcedReply::json(
            200,
            &json!({ "data": { "id": long, "status": "submitted" }, "code": 200 }),
        ),
    );
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "submitted");
    assert_eq!(shown["provider_ids"], json!([]));
    let attempt = &shown["attempts"][0];
    assert!(attempt["reply"].as_str().unwrap().contains(&long));
    assert!(
        attempt["detail"]
            .as_str()
            .unwrap()
            .contains("513 characters")
    );
    app.finish().await;
}

#[actix_web::test]
async fn refusals_show_the_providers_own_code_and_words() {
    let app = start_app().await;
    for (account, reply, code, words) in [
        (
            SOBOT,
            ForcedReply::json(
                200,
                &json!({ "message": "Invalid mobile number", "code": 400 }),
            ),
            "400",
            "Invalid mobile number",
        ),
        (
            KALEYRA,
            ForcedReply::json(
                400,
                &json!({ "code": "WA400", "message": "Refer to correct payload format", "data": {}, "error": { "payload": "Incorrect payload format" } }),
            ),
            "WA400",
            "Refer to correct payload format",
        ),
        (
            ZIXFLOW,
            ForcedReply::json(
                400,
                &json!({ "status": false, "message": "Invalid data Provided" }),
            ),
            "400",
            "Invalid data Provided",
        ),
        (
            LANCEPILOT,
            ForcedReply::json(
                422,
                &json!({ "message": "Validation error", "errors": { "file": ["The file field is required."], "caption": ["Too long."] } }),
            ),
            "422",
            "Validation error",
        ),
    ] {
        app.force(account, reply);
        let id = app.send_image(account).await;
        app.run_jobs_until_idle().await;
        let shown = app.message(&id).await;
        assert_eq!(shown["state"], "failed", "{account}");
        assert_eq!(shown["failure"]["code"], code, "{account}: {shown}");
        assert_eq!(shown["failure"]["title"], words);
        assert!(!shown["failure"]["meaning"].as_str().unwrap().is_empty());
        assert!(!shown["failure"]["action"].as_str().unwrap().is_empty());
        if account == LANCEPILOT {
            let detail = shown["failure"]["detail"].as_str().unwrap();
            assert!(detail.contains("The file field is required.") && detail.contains("Too long."));
        }
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_message_accepted_in_a_dry_run_is_never_submitted() {
    let app = start_app_with(|_, accounts| {
        accounts[0].mode = bluetick::domain::provider_account::AccountMode::DryRun;
        accounts[0].timeout = Duration::from_secs(1);
    })
    .await;
    let (status, reply) = submit(&app, &message(SOBOT, "image")).await;
    assert_eq!(status, 202);
    let warning = &reply["warnings"][0];
    assert_eq!(warning["code"], "dry_run");
    assert!(warning["message"].as_str().unwrap().contains("dry-run"));
    app.run_jobs_until_idle().await;
    let id = reply["id"].as_str().unwrap();
    let begun = std::time::Instant::now();
    let waiting = app
        .request("POST", "/api/v1/messages")
        .header("prefer", "wait=30")
        .json(&message(SOBOT, "video"));
    let (status, waited) = read(waiting).await;
    assert_eq!((status, &waited["state"]), (202, &json!("queued")));
    assert!(
        begun.elapsed() < Duration::from_secs(25),
        "there is nothing to wait for"
    );
    let (status, _) = app
        .post(&format!(
            "/api/v1/messages/{}/cancel",
            waited["id"].as_str().unwrap()
        ))
        .await;
    assert_eq!(status, 200);
    // Later than any message may wait.
    app.advance(TimeDelta::hours(48));
    app.run_jobs_until_idle().await;
    let shown = app.message(id).await;
    assert_eq!(shown["origin"], "dry-run");
    assert_eq!(shown["state"], "queued", "no provider has it");
    let explained = app.found(&format!("/api/v1/messages/{id}/explain")).await;
    assert!(explained.to_string().contains("dry-run"), "{explained}");
    assert!(app.received(SOBOT).is_empty());
    let counts = app
        .services
        .store
        .count_messages(DateTime::UNIX_EPOCH)
        .await
        .unwrap();
    assert!(counts.sent.is_empty(), "{counts:?}");
    assert_eq!(
        counts
            .dry_run
            .values()
            .flat_map(|states| states.values())
            .sum::<i64>(),
        2
    );
    app.finish().await;
}

#[actix_web::test]
async fn a_national_number_gets_the_accounts_country() {
    let app =
        start_app_with(|_, accounts| accounts[0].default_country = Some("IN".to_owned())).await;
    let id = app
        .send(&with(SOBOT, "image", "/to", json!("099701 23456")))
        .await;
    assert_eq!(app.message(&id).await["to"], "919970123456");
    app.finish().await;
}
