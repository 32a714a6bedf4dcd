//! Zixflow's documentation of its send request, line by line.

use serde_json::{Value, json};

use super::{NOTHING, check_refused, check_replies, check_sent, check_sizes, sent};
use crate::harness::app::{ZIXFLOW, start_app};

#[actix_web::test]
async fn every_documented_parameter_reaches_zixflow() {
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
async fn zixflow_s_documented_replies_are_understood() {
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
