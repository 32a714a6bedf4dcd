//! LancePilot's documentation of its send request, line by line.

use serde_json::{Value, json};

use super::{NOTHING, check_refused, check_replies, check_sent, check_sizes, sent, upload};
use crate::harness::app::{LANCEPILOT, start_app};

#[actix_web::test]
async fn every_documented_parameter_reaches_lancepilot() {
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
async fn lancepilot_s_documented_replies_are_understood() {
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
