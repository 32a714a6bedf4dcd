//! The documentation of the five send requests, line by line: what each says is what a provider gets,
//! what a caller is refused, and how a reply is understood.

use bluetick::domain::media::MediaKind;
use bluetick::domain::provider_account::Preflight;
use bluetick::providers::kaleyra::WA_SOURCES;
use bluetick::simulator::ForcedReply;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::harness::app::{
    App, KALEYRA, LANCEPILOT, Reply, SOBOT, ZIXFLOW, message, read, start_app, start_app_with,
};

/// One line of a page: what it says, the change of a complete message, and where the value must be in
/// the request to the provider.
struct Sent {
    line: &'static str,
    change: (&'static str, Value),
    pointer: &'static str,
    value: Value,
}

fn sent(
    line: &'static str,
    change: (&'static str, Value),
    pointer: &'static str,
    value: Value,
) -> Sent {
    Sent {
        line,
        change,
        pointer,
        value,
    }
}

const NOTHING: (&str, Value) = ("", Value::Null);

fn changed(account: &str, kind: &str, change: &(&str, Value)) -> Value {
    let mut body = message(account, kind);
    let (pointer, value) = change;
    if let Some((parent, name)) = pointer.rsplit_once('/') {
        body.pointer_mut(parent).unwrap()[name] = value.clone();
    }
    body
}

async fn check_sent(app: &App, account: &str, kind: &str, rows: &[Sent]) {
    for row in rows {
        app.send(&changed(account, kind, &row.change)).await;
        app.run_jobs_until_idle().await;
        let request = app.received(account).pop().unwrap().json();
        let found = request.pointer(row.pointer).cloned().unwrap_or_default();
        assert_eq!(found, row.value, "{kind}: {}: {request}", row.line);
    }
}

/// One line that forbids something: the field of the refusal, and a word of its reason.
async fn check_refused(app: &App, account: &str, rows: &[(&str, (&str, Value), &str, &str)]) {
    for (line, change, field, word) in rows {
        let body = changed(account, "video", change);
        let (status, reply) = app.post_json("/api/v1/messages", &body).await;
        assert_eq!(status, 422, "{line}: {reply}");
        let error = &reply["errors"][0];
        assert_eq!(error["field"], *field, "{line}: {reply}");
        assert!(
            error["message"].as_str().unwrap().contains(word),
            "{line}: {reply}"
        );
    }
}

async fn upload(app: &App, account: &str, kind: &str, bytes: Vec<u8>, name: &str) -> Reply {
    let mut body = message(account, kind);
    body.as_object_mut().unwrap().remove("media");
    let part = Part::bytes(bytes).file_name(name.to_owned());
    let form = Form::new()
        .text("message", body.to_string())
        .part("file", part);
    read(app.request("POST", "/api/v1/messages").multipart(form)).await
}

/// The documented size is the largest that is accepted.
async fn check_sizes(app: &App, account: &str) {
    for (kind, name, limit) in [("image", "a.jpg", 5 << 20), ("video", "a.3gp", 16 << 20)] {
        let (status, reply) = upload(app, account, kind, vec![1; limit], name).await;
        assert_eq!(status, 202, "{account} {kind}: {reply}");
        let (status, reply) = upload(app, account, kind, vec![1; limit + 1], name).await;
        assert_eq!(status, 422, "{account} {kind}: {reply}");
        assert_eq!(reply["errors"][0]["field"], "file");
    }
}

/// A documented reply: status, body, outcome of the attempt, and a word that an operator sees.
async fn check_replies(account: &str, rows: &[(u16, &str, &str, &str)]) {
    for (status, body, outcome, word) in rows {
        // Some replies pause the account.
        let app = start_app().await;
        let reply = ForcedReply::raw(*status, "application/json", *body);
        app.force(account, reply);
        let id = app.send(&message(account, "video")).await;
        for work in app.services.dispatcher.claim_due().await.unwrap() {
            app.services.dispatcher.submit(work).await;
        }
        let shown = app.message(&id).await;
        let attempt = &shown["attempts"][0];
        assert_eq!(attempt["outcome"], *outcome, "{body}: {shown}");
        assert_eq!(attempt["http_status"], *status, "{shown}");
        assert!(shown.to_string().contains(word), "{body}: {shown}");
        app.finish().await;
    }
}

const OVER_1024: usize = 1025;

#[actix_web::test]
async fn seeds_000_and_001_sobot_parameters() {
    let app = start_app().await;
    for kind in ["image", "video"] {
        let mime_type = if kind == "image" {
            "image/jpeg"
        } else {
            "video/mp4"
        };
        let file = if kind == "image" { "a.jpg" } else { "a.mp4" };
        let url = format!("https://media.example.com/{file}");
        let rows = [
            sent("type: set to image or video", NOTHING, "/type", json!(kind)),
            sent("url: public", NOTHING, "/url", json!(url)),
            sent("mime_type", NOTHING, "/mime_type", json!(mime_type)),
            sent(
                "customer_number: no plus, hyphens, parentheses, spaces",
                ("/to", json!("+44 (7700) 900-123")),
                "/customer_number",
                json!("447700900123"),
            ),
            sent(
                "customer_name",
                ("/name", json!("John Doe")),
                "/customer_name",
                json!("John Doe"),
            ),
            sent(
                "caption: optional",
                ("/caption", Value::Null),
                "/caption",
                Value::Null,
            ),
            sent(
                "caption: 1024 characters",
                ("/caption", json!("é".repeat(1024))),
                "/caption",
                json!("é".repeat(1024)),
            ),
        ];
        check_sent(&app, SOBOT, kind, &rows).await;
    }
    let more = [sent(
        "mime_type: image/png",
        ("/media", json!({ "url": "https://m.example.com/a.png" })),
        "/mime_type",
        json!("image/png"),
    )];
    check_sent(&app, SOBOT, "image", &more).await;
    let more = [sent(
        "mime_type: video/3gp",
        ("/media", json!({ "url": "https://m.example.com/a.3gp" })),
        "/mime_type",
        json!("video/3gp"),
    )];
    check_sent(&app, SOBOT, "video", &more).await;
    let request = app.received(SOBOT).pop().unwrap();
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/message/")
    );
    assert_eq!(request.header("x-api-key"), Some("sobot-key"));
    assert_eq!(request.header("x-api-secret"), Some("sobot-secret"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    check_refused(
        &app,
        SOBOT,
        &[
            (
                "url: required",
                ("/media", Value::Null),
                "media",
                "is missing",
            ),
            (
                "mime_type: required",
                ("/media", json!({ "url": "https://m.example.com/a" })),
                "media.mime_type",
                "is missing",
            ),
            (
                "supported types",
                (
                    "/media",
                    json!({ "url": "https://m.example.com/a", "mime_type": "video/webm" }),
                ),
                "media.mime_type",
                "video/mp4, video/3gp",
            ),
            ("customer_number: required", ("/to", json!("")), "to", ""),
            (
                "customer_number: with country code",
                ("/to", json!("9970123456")),
                "to",
                "country",
            ),
            (
                "customer_name: required",
                ("/name", Value::Null),
                "name",
                "requires",
            ),
            (
                "caption: 1024 characters",
                ("/caption", json!("x".repeat(OVER_1024))),
                "caption",
                "allows 1024",
            ),
        ],
    )
    .await;
    check_sizes(&app, SOBOT).await;
    app.finish().await;
}

#[actix_web::test]
async fn seeds_000_and_001_sobot_notes_on_media() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/media");
    let app = start_app_with(|_, accounts| {
        for account in accounts {
            account.preflight = Preflight::Refuse;
        }
    })
    .await;
    for (line, kind, file, word) in [
        ("only H.264 is supported", "video", "h265.mp4", "H.264"),
        ("only AAC is supported", "video", "mp3.mp4", "AAC"),
        (
            "a single audio stream or none",
            "video",
            "two_audio_tracks.mp4",
            "audio_tracks",
        ),
        (
            "images must be 8-bit",
            "image",
            "sixteen_bits.png",
            "bit_depth",
        ),
        ("RGB or RGBA", "image", "cmyk.jpg", "RGB"),
        ("a single audio stream", "video", "h264_aac.mp4", ""),
        ("or no audio stream", "video", "h264_silent.mp4", ""),
        ("8-bit RGB", "image", "rgb.png", ""),
        ("8-bit RGBA", "image", "rgba.png", ""),
    ] {
        let bytes = std::fs::read(folder.join(file)).unwrap();
        let (status, reply) = upload(&app, SOBOT, kind, bytes, file).await;
        let expected = if word.is_empty() { 202 } else { 422 };
        assert_eq!(status, expected, "{line}: {reply}");
        assert!(reply.to_string().contains(word), "{line}: {reply}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn seeds_000_and_001_sobot_reply_and_notes() {
    let longest = format!("wamid.{}", "A".repeat(122));
    let documented = json!({
        "data": { "id": longest, "status": "submitted" },
        "message": "Message sent successfully.",
        "code": 200,
    });
    check_replies(
        SOBOT,
        &[(200, &documented.to_string(), "accepted", &longest)],
    )
    .await;
    let app = start_app().await;
    let documented = documented.to_string();
    app.force(SOBOT, ForcedReply::raw(200, "application/json", documented));
    let id = app.send(&message(SOBOT, "video")).await;
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&id).await, "submitted");
    // "You can track message status in the webhooks through its wamid."
    let status = json!({ "id": longest, "status": "delivered", "timestamp": "1763640000" });
    app.deliver_callback(SOBOT, &status).await;
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&id).await, "delivered");
    // "Only up until 24 hours after receiving a message from the user."
    let inbound = json!([{ "value": { "messages": [{ "from": "447700900777", "id": "wamid.X", "timestamp": "1763640000", "type": "text", "text": { "body": "hi" } }] }, "field": "messages" }]);
    app.deliver_callback(SOBOT, &inbound).await;
    app.run_jobs_until_idle().await;
    let (_, reply) = app
        .post_json("/api/v1/messages", &message(SOBOT, "image"))
        .await;
    assert_eq!(reply["warnings"][0]["code"], "window_closed", "{reply}");
    app.finish().await;
}

#[actix_web::test]
async fn seed_002_kaleyra_parameters() {
    let app = start_app().await;
    let mut rows = vec![
        sent(
            "messaging_product",
            NOTHING,
            "/messaging_object/messaging_product",
            json!("whatsapp"),
        ),
        sent(
            "recipient_type",
            NOTHING,
            "/messaging_object/recipient_type",
            json!("individual"),
        ),
        sent(
            "to: E.164",
            NOTHING,
            "/messaging_object/to",
            json!("+447700900123"),
        ),
        sent("type", NOTHING, "/messaging_object/type", json!("video")),
        sent(
            "link",
            NOTHING,
            "/messaging_object/video/link",
            json!("https://media.example.com/a.mp4"),
        ),
        sent(
            "either id or link",
            NOTHING,
            "/messaging_object/video/id",
            Value::Null,
        ),
        sent(
            "id: recommended",
            ("/media", json!({ "id": "1166846181421424" })),
            "/messaging_object/video",
            json!({ "id": "1166846181421424", "caption": "Your order is on its way" }),
        ),
        sent(
            "caption: 1024 characters",
            ("/caption", json!("x".repeat(1024))),
            "/messaging_object/video/caption",
            json!("x".repeat(1024)),
        ),
        sent(
            "wa_source: api by default",
            NOTHING,
            "/extra_info/wa_source",
            json!("api"),
        ),
    ];
    for (slot, pointer) in [
        ("ref", "/extra_info/ref"),
        ("ref1", "/extra_info/ref1"),
        ("ref2", "/extra_info/ref2"),
    ] {
        let change = ("/refs", json!({ slot: "y".repeat(255) }));
        rows.push(sent(
            "ref, ref1, ref2: 255 characters",
            change,
            pointer,
            json!("y".repeat(255)),
        ));
    }
    for source in WA_SOURCES {
        let change = ("/options", json!({ "wa_source": source }));
        rows.push(sent(
            "wa_source",
            change,
            "/extra_info/wa_source",
            json!(source),
        ));
    }
    assert_eq!(WA_SOURCES.len(), 13);
    check_sent(&app, KALEYRA, "video", &rows).await;
    let request = app.received(KALEYRA).pop().unwrap();
    assert_eq!(
        request.path,
        "/v2/HXAP1700000000IN/whatsapp/+919000000002/messages"
    );
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("api-key"), Some("kaleyra-key"));
    assert_eq!(request.header("cache-control"), Some("no-cache"));
    let both = json!({ "id": "1", "url": "https://m.example.com/a.mp4" });
    check_refused(
        &app,
        KALEYRA,
        &[
            (
                "either id or link",
                ("/media", both),
                "media",
                "exactly one",
            ),
            (
                "either id or link",
                ("/media", Value::Null),
                "media",
                "is missing",
            ),
            (
                "caption",
                ("/caption", json!("x".repeat(OVER_1024))),
                "caption",
                "allows 1024",
            ),
            (
                "ref",
                ("/refs", json!({ "ref": "x".repeat(256) })),
                "refs.ref",
                "255",
            ),
            (
                "ref1",
                ("/refs", json!({ "ref1": "x".repeat(256) })),
                "refs.ref1",
                "255",
            ),
            (
                "ref2",
                ("/refs", json!({ "ref2": "x".repeat(256) })),
                "refs.ref2",
                "255",
            ),
            (
                "wa_source: any other value would silently become api",
                ("/options", json!({ "wa_source": "excel" })),
                "options.wa_source",
                "moengage",
            ),
            (
                "to: with country code",
                ("/to", json!("9970123456")),
                "to",
                "country",
            ),
            (
                "type",
                ("/kind", json!("sticker")),
                "kind",
                "image or video",
            ),
        ],
    )
    .await;
    check_sizes(&app, KALEYRA).await;
    app.finish().await;
}

#[actix_web::test]
async fn seed_002_kaleyra_replies() {
    let not_available =
        "API is not available for given customer.Please contact support for more info";
    let version = "The phone number you're using is associated with different Version of our WA API. Please use the appropriate endpoint.";
    let balance = "Please check your balance, You have a low balance!";
    let absent = "Phone number is not present or does not belong to the account.";
    let error = |code: &str, message: &str, field: &str, words: &str| {
        let body =
            json!({ "code": code, "message": message, "data": {}, "error": { field: words } });
        body.to_string()
    };
    let incorrect = "Incorrect SID or API key.";
    let rbc = json!({ "code": "RBC001", "message": incorrect, "data": [], "error": { "error": incorrect } });
    // As the page prints it, without two commas.
    let printed = "{\n\"code\":\"WA202\"\n\"message\":\"Request Accepted\",\n\"data\":{\n\"message_id\":\"AXXXXXXXXXXXXXXXXXXX\"\n}\n\"error\":{}\n}";
    let accepted = json!({ "code": "WA202", "message": "Request Accepted", "data": { "message_id": "A1B2C3D4E5F6G7H8I9J0" }, "error": {} });
    check_replies(
        KALEYRA,
        &[
            (
                202,
                &accepted.to_string(),
                "accepted",
                "A1B2C3D4E5F6G7H8I9J0",
            ),
            // Not JSON: whether it was accepted is unknown.
            (202, printed, "unclear", "uncertain"),
            (401, &rbc.to_string(), "refused", "RBC001"),
            (
                401,
                &error("WA401", absent, "phone_number", absent),
                "refused",
                absent,
            ),
            (
                400,
                &error(
                    "WA400",
                    "Refer to correct payload format",
                    "payload",
                    "Incorrect payload format",
                ),
                "refused",
                "Incorrect payload format",
            ),
            (
                500,
                &error(
                    "WA500",
                    "Please try again later",
                    "error",
                    "Internal server error",
                ),
                "postponed",
                "Please try again later",
            ),
            (
                400,
                &error("E110", balance, "balance", balance),
                "refused",
                balance,
            ),
            (
                401,
                &error("WA-401", not_available, "account", not_available),
                "refused",
                not_available,
            ),
            (
                401,
                &error("WA-401", version, "phone_number", version),
                "refused",
                "different Version",
            ),
        ],
    )
    .await;
}

#[actix_web::test]
async fn seed_003_zixflow_parameters() {
    let app = start_app().await;
    let rows = [
        sent("to: international", NOTHING, "/to", json!("447700900123")),
        sent(
            "phoneId: not the number",
            NOTHING,
            "/phoneId",
            json!("104898309288001"),
        ),
        sent("type: video", NOTHING, "/type", json!("video")),
        sent(
            "video.link",
            NOTHING,
            "/video/link",
            json!("https://media.example.com/a.mp4"),
        ),
        sent(
            "link: http too",
            ("/media", json!({ "url": "http://m.example.com/a.mp4" })),
            "/video/link",
            json!("http://m.example.com/a.mp4"),
        ),
        sent(
            "caption",
            NOTHING,
            "/video/caption",
            json!("Your order is on its way"),
        ),
        sent(
            "caption: optional",
            ("/caption", Value::Null),
            "/video/caption",
            Value::Null,
        ),
        sent("source: optional", NOTHING, "/source", Value::Null),
        sent(
            "linkWithRecord: optional",
            NOTHING,
            "/linkWithRecord",
            Value::Null,
        ),
        sent(
            "linkWithRecord",
            (
                "/options",
                json!({ "linkWithRecord": true, "source": "CRM" }),
            ),
            "/linkWithRecord",
            json!(true),
        ),
        sent(
            "source",
            (
                "/options",
                json!({ "linkWithRecord": true, "source": "CRM" }),
            ),
            "/source",
            json!("CRM"),
        ),
        sent(
            "submissionStatus: boolean",
            NOTHING,
            "/submissionStatus",
            json!(true),
        ),
    ];
    check_sent(&app, ZIXFLOW, "video", &rows).await;
    let request = app.received(ZIXFLOW).pop().unwrap();
    assert_eq!(request.path, "/api/v1/campaign/whatsapp/message/send");
    assert_eq!(
        request.header("authorization"),
        Some("Bearer zixflow-token")
    );
    let report = request.json()["reportURL"].as_str().unwrap().to_owned();
    assert!(report.starts_with(&app.url("/reports/")), "{report}");
    check_refused(
        &app,
        ZIXFLOW,
        &[
            (
                "link: required",
                ("/media", Value::Null),
                "media",
                "is missing",
            ),
            (
                "link: only http and https",
                ("/media", json!({ "url": "ftp://m.example.com/a.mp4" })),
                "media.url",
                "http and https",
            ),
            (
                "link instead of a media id",
                ("/media", json!({ "id": "1" })),
                "media.id",
                "media.url",
            ),
            (
                "source: required with linkWithRecord",
                ("/options", json!({ "linkWithRecord": true })),
                "options.source",
                "is missing",
            ),
            (
                "linkWithRecord: boolean",
                ("/options", json!({ "linkWithRecord": "true" })),
                "options.linkWithRecord",
                "true or false",
            ),
            (
                "submissionStatus is ours",
                ("/options", json!({ "submissionStatus": false })),
                "options.submissionStatus",
                "not an option",
            ),
        ],
    )
    .await;
    check_sizes(&app, ZIXFLOW).await;
    app.finish().await;
}

#[actix_web::test]
async fn seed_003_zixflow_replies() {
    check_replies(
        ZIXFLOW,
        &[
            (
                200,
                r#"{"status":true,"message":"Message sent successfully"}"#,
                "accepted",
                "submitted",
            ),
            (
                400,
                r#"{"status":false,"message":"Invalid data Provided"}"#,
                "refused",
                "Invalid data Provided",
            ),
            (
                401,
                r#"{"status":false,"message":"Unauthorised"}"#,
                "refused",
                "Unauthorised",
            ),
        ],
    )
    .await;
}

#[actix_web::test]
async fn seed_004_lancepilot_parameters() {
    let app = start_app().await;
    let rows = [
        sent(
            "file: URL",
            NOTHING,
            "/file",
            json!("https://media.example.com/a.mp4"),
        ),
        sent(
            "caption",
            NOTHING,
            "/caption",
            json!("Your order is on its way"),
        ),
        sent(
            "caption: optional",
            ("/caption", Value::Null),
            "/caption",
            Value::Null,
        ),
    ];
    check_sent(&app, LANCEPILOT, "video", &rows).await;
    let request = app.received(LANCEPILOT).pop().unwrap();
    assert_eq!(
        request.path,
        "/api/v3/workspaces/9c0e1b1e-0000-4000-8000-00000000000a/contacts/number/447700900123/messages/video"
    );
    assert_eq!(
        request.header("authorization"),
        Some("Bearer lancepilot-token")
    );
    assert_eq!(request.header("content-type"), Some("application/json"));
    for (name, mime_type) in [("a.mp4", "video/mp4"), ("a.3gp", "video/3gpp")] {
        let (status, reply) = upload(&app, LANCEPILOT, "video", vec![7; 100], name).await;
        assert_eq!(status, 202, "{reply}");
        app.run_jobs_until_idle().await;
        let request = app.received(LANCEPILOT).pop().unwrap();
        let form = String::from_utf8_lossy(&request.body).into_owned();
        assert!(
            request
                .header("content-type")
                .unwrap()
                .starts_with("multipart/form-data")
        );
        assert!(
            form.contains("name=\"file\"") && form.contains(mime_type),
            "{form}"
        );
    }
    for name in ["a.mov", "a.webm", "a.avi", "a.jpg"] {
        let (status, reply) = upload(&app, LANCEPILOT, "video", vec![7; 100], name).await;
        assert_eq!(status, 422, "allowed: mp4, 3gp; not {name}: {reply}");
    }
    check_sizes(&app, LANCEPILOT).await;
    check_refused(
        &app,
        LANCEPILOT,
        &[
            (
                "file: required",
                ("/media", Value::Null),
                "media",
                "is missing",
            ),
            (
                "file: a URL",
                ("/media", json!({ "url": "video.mp4" })),
                "media.url",
                "not a URL",
            ),
        ],
    )
    .await;
    app.finish().await;
}

#[actix_web::test]
async fn seed_004_lancepilot_replies() {
    check_replies(
        LANCEPILOT,
        &[
            (
                201,
                r#"{"status":201,"message":"Resource created successfully.","data":{}}"#,
                "accepted",
                "submitted",
            ),
            (401, r#"{"message":"Unauthenticated."}"#, "refused", "Unauthenticated."),
            (
                404,
                r#"{"message":"Resource not found.","status":404}"#,
                "refused",
                "Resource not found.",
            ),
            (
                422,
                r#"{"message":"Validation error","errors":{"file":["The file field is required."]}}"#,
                "refused",
                "The file field is required.",
            ),
        ],
    )
    .await;
}

/// The pages of templates follow the same rules of media; see `templates` for their own fields.
#[actix_web::test]
async fn templates_are_accepted_by_every_simulated_provider() {
    let app = start_app().await;
    for account in [SOBOT, KALEYRA, ZIXFLOW, LANCEPILOT] {
        for kind in MediaKind::ALL {
            let mut body = message(account, kind.as_str());
            body.as_object_mut().unwrap().remove("caption");
            let name = if account == LANCEPILOT {
                "7"
            } else {
                "hello_world"
            };
            body["template"] = json!({ "name": name, "language": "en_US", "body": ["8654334"] });
            let id = app.send(&body).await;
            app.run_jobs_until_idle().await;
            assert_eq!(app.state(&id).await, "submitted", "{account} {kind}");
        }
    }
    app.finish().await;
}
