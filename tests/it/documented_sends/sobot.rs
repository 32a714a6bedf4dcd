//! Sobot's documentation of its send request, line by line.

use bluetick::domain::provider_account::Preflight;
use bluetick::simulator::ForcedReply;
use serde_json::{Value, json};

use super::{
    NOTHING, OVER_1024, check_refused, check_replies, check_sent, check_sizes, sent, upload,
};
use crate::harness::app::{SOBOT, message, start_app, start_app_with};

#[actix_web::test]
async fn every_documented_parameter_reaches_sobot() {
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
async fn sobot_s_notes_on_media_are_checked() {
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
async fn sobot_s_documented_replies_are_understood() {
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
