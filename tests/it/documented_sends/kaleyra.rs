//! Kaleyra's documentation of its send request, line by line.

use bluetick::providers::kaleyra::WA_SOURCES;
use serde_json::{Value, json};

use super::{NOTHING, OVER_1024, check_refused, check_replies, check_sent, check_sizes, sent};
use crate::harness::app::{KALEYRA, start_app};

#[actix_web::test]
async fn every_documented_parameter_reaches_kaleyra() {
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
async fn kaleyra_s_documented_replies_are_understood() {
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
