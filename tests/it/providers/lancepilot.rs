//! LancePilot: JSON and multipart requests, replies without id, and events with undocumented names.

use bluetick::domain::media::{MediaKind, MediaSource, Upload};
use bluetick::domain::provider::ProviderId::LancePilot;

use super::{
    account, call, callback, check_callbacks, check_golden, fixture, lines, message, outcome, reply,
};

const W1: &str = "wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgSQjAxRjVBNkU3Qzg5RDAxMjM0AA==";

#[test]
fn each_kind_is_submitted_as_documented_by_url_and_as_file() {
    let account = account(LancePilot);
    for kind in MediaKind::ALL {
        let mut message = message(&account, kind);
        check_golden(
            &format!("lancepilot/requests/{kind}.json"),
            &call(&account, &message),
        );
        message.draft.media.source = MediaSource::Upload(Upload {
            path: "uploads/1".into(),
            size: 5120 * 1024,
            token: None,
        });
        check_golden(
            &format!("lancepilot/requests/{kind}_multipart.json"),
            &call(&account, &message),
        );
    }
}

#[test]
fn a_3gp_upload_has_its_extension_and_registered_type() {
    let mut account = account(LancePilot);
    account.base_url = Some("http://127.0.0.1:9".to_owned());
    let mut message = message(&account, MediaKind::Video);
    message.draft.media.mime_type = Some("video/3gp".to_owned());
    message.draft.media.caption = None;
    message.draft.media.source = MediaSource::Upload(Upload {
        path: "uploads/2".into(),
        size: 9,
        token: None,
    });
    check_golden(
        "lancepilot/requests/video_3gp_multipart.json",
        &call(&account, &message),
    );
}

#[test]
fn each_documented_reply_has_its_outcome() {
    let every_field = "refused 422 | Validation error | file: The file field is required. The file must be a video.; caption: The caption is too long. | file";
    let with_ids = format!(
        r#"{{"status":201,"data":{{"id":"l1","attributes":{{"wamid":"{W1}"}},"messages":[{{"id":"l2"}}]}}}}"#
    );
    let of_a_contact = format!(
        r#"{{"status":201,"data":{{"type":"contacts","id":"c1","attributes":{{"wamid":"{W1}"}}}}}}"#
    );
    for (status, body, expected) in [
        (
            201,
            of_a_contact.into(),
            format!("accepted [{W1}]").as_str(),
        ),
        (
            201,
            r#"{"status":201,"data":{"type":"conversations","id":"c1"}}"#.into(),
            "accepted []",
        ),
        (
            201,
            r#"{"status":201,"data":{"type":"Message","id":"l1"}}"#.into(),
            "accepted [l1]",
        ),
        (
            201,
            fixture("lancepilot/replies/created_201.json"),
            "accepted []",
        ),
        (
            201,
            with_ids.into(),
            format!("accepted [l1, {W1}, l2]").as_str(),
        ),
        (
            401,
            fixture("lancepilot/replies/refused_401.json"),
            "account refused 401 | Unauthenticated. | - | -",
        ),
        (
            404,
            fixture("lancepilot/replies/refused_404.json"),
            "account refused 404 | Resource not found. | - | -",
        ),
        (
            422,
            fixture("lancepilot/replies/refused_422.json"),
            every_field,
        ),
        // A 200 with a failure in the body.
        (
            200,
            fixture("lancepilot/replies/refused_422.json"),
            every_field,
        ),
        (
            200,
            fixture("lancepilot/replies/refused_404.json"),
            "account refused 404 | Resource not found. | - | -",
        ),
        (
            200,
            fixture("lancepilot/replies/refused_401.json"),
            "unclear HTTP 200 with an unreadable body",
        ),
        (
            500,
            br#"{"message":"Server Error"}"#.to_vec(),
            "unclear HTTP 500: Server Error",
        ),
        (
            201,
            b"<html>".to_vec(),
            "unclear HTTP 201 with an unreadable body",
        ),
    ] {
        assert_eq!(outcome(LancePilot, reply(status, body)), expected);
    }
}

#[test]
fn each_callback_shape_gives_its_receipts() {
    let status = format!(
        "delivered [0d1c0000-0000-4000-8000-000000000078, {W1}] to 447700900123 at 2025-11-20T01:03:00"
    );
    check_callbacks(
        LancePilot,
        "lancepilot/callbacks",
        &[
            ("incoming_text.json", &["inbound from 447700900123 at -"]),
            ("incoming_image.json", &["inbound from 447700900123 at -"]),
            (
                "outgoing_api.json",
                &["echo [] to 447700900123 at - kind video"],
            ),
            (
                "outgoing_app.json",
                &[
                    "other sent manually [0d1c0000-0000-4000-8000-000000000079] to - at - kind image",
                ],
            ),
            ("status.json", &[&status]),
            (
                "status_event_suffix.json",
                &[&format!(
                    "failed 131026 | Message undeliverable | - | - [0d1c0000-0000-4000-8000-000000000080, {W1}] to 447700900123 at 2025-11-20T01:04:00 kind video"
                )],
            ),
            (
                "status_list.json",
                &[
                    "sent [0d1c0000-0000-4000-8000-000000000081] to - at 2025-11-20T00:54:05",
                    "read [0d1c0000-0000-4000-8000-000000000081] to - at 2025-11-20T00:54:09.123",
                ],
            ),
        ],
    );
}

#[test]
fn a_status_is_parsed_from_the_event_the_attributes_or_their_list() {
    for (body, expected) in [
        (
            r#"{"event":"message.read","data":{"type":"messages","id":"l1","attributes":{"message":{"type":"image","id":"l2"}}}}"#,
            "read [l1, l2] to - at - kind image",
        ),
        (
            r#"{"type":"message.updated","data":{"attributes":{"uuid":"l1","message_status":"failed","reason":"(#131026) no","to":"447700900123@c.us","updated_at":"2025-11-20 01:00:00"}}}"#,
            "failed 131026 | (#131026) no | - | - [l1] to 447700900123 at 2025-11-20T01:00:00",
        ),
        (
            r#"{"event":"message.status","data":{"type":"messages","id":"l1","attributes":{"statuses":[{"status":"sent","timestamp":1763600001}]}}}"#,
            "sent [l1] to - at 2025-11-20T00:53:21",
        ),
        (
            r#"{"event":"whatsapp.webhook","data":{"entry":[{"changes":[{"field":"messages","value":{"statuses":[{"id":"w1","status":"read"}]}}]}]}}"#,
            "read [w1] to - at -",
        ),
        (
            r#"{"event":"message.teleported","data":{"id":"l1"}}"#,
            "other teleported [l1] to - at -",
        ),
        (
            r#"{"event":"message.status","data":{"id":"l1","attributes":{"ack":0}}}"#,
            "other 0 [l1] to - at -",
        ),
        (
            r#"{"event":"message.status","data":{"type":"contacts","id":"c1","attributes":{"status":"delivered","to":"447700900123"}}}"#,
            "delivered [] to 447700900123 at -",
        ),
        (
            r#"{"event":"contact.created","data":{"id":"c1"}}"#,
            "notice event contact.created",
        ),
        (
            r#"{"event":"message.status","data":{"id":"l1"}}"#,
            "unreadable event status without a status",
        ),
        (
            r#"{"data":{"id":"l1"}}"#,
            "unreadable an event without a name",
        ),
    ] {
        assert_eq!(lines(LancePilot, &callback(body, None)), [expected]);
    }
}

#[test]
fn a_named_kind_is_kept_even_if_it_is_neither_image_nor_video() {
    for (message, kind) in [
        (r#"{"type":"image"}"#, " kind image"),
        (r#"{"type":"VIDEO"}"#, " kind video"),
        (r#"{"message_type":"image/jpeg"}"#, " kind image"),
        (r#"{"type":"text"}"#, " kind other"),
        (r#"{"type":"document"}"#, " kind other"),
        (r#"{"type":"template"}"#, " kind template"),
        (r#"{"type":"media"}"#, ""),
        (r#"{"type":"reaction"}"#, " kind other"),
        (r#"{"type":{"name":"text"}}"#, " kind other"),
        (r#"{"type":"message"}"#, ""),
        (r#"{"type":null}"#, ""),
        ("{}", ""),
    ] {
        let body = format!(
            r#"{{"event":"message.failed","data":{{"type":"messages","id":"l1","attributes":{{"message":{message}}}}}}}"#
        );
        assert_eq!(
            lines(LancePilot, &callback(body, None)),
            [format!("failed - | - | - | - [l1] to - at -{kind}")],
            "{message}"
        );
    }
}

#[test]
fn several_resources_in_one_event_are_parsed_one_by_one() {
    let body = r#"{"event":"message.delivered","data":[{"type":"messages","id":"l1"},{"type":"messages","id":"l2"}]}"#;
    assert_eq!(
        lines(LancePilot, &callback(body, None)),
        ["delivered [l1] to - at -", "delivered [l2] to - at -"]
    );
}

#[test]
fn several_statuses_of_one_message_keep_the_id_of_their_resource() {
    let event = |second: &str| {
        format!(
            r#"{{"event":"message.status","data":{{"type":"messages","id":"l1","attributes":{{"statuses":[
                {{"wamid":"w1","status":"sent"}},{{"wamid":"{second}","status":"read"}}]}}}}}}"#
        )
    };
    assert_eq!(
        lines(LancePilot, &callback(event("w1"), None)),
        ["sent [w1, l1] to - at -", "read [w1, l1] to - at -"]
    );
    // Statuses of several messages are in a batch, whose id is no message id.
    assert_eq!(
        lines(LancePilot, &callback(event("w2"), None)),
        ["sent [w1] to - at -", "read [w2] to - at -"]
    );
}
