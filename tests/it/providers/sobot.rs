//! Sobot: exact requests, replies, and both envelopes of its callbacks.

use bluetick::domain::media::MediaKind;
use bluetick::domain::provider::ProviderId::Sobot;

use super::{
    account, call, callback, check_callbacks, check_golden, fixture, lines, message, outcome, reply,
};

const W1: &str = "wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgSQjAxRjVBNkU3Qzg5RDAxMjM0AA==";

#[test]
fn each_kind_is_submitted_as_documented() {
    let account = account(Sobot);
    for kind in MediaKind::ALL {
        let call = call(&account, &message(&account, kind));
        check_golden(&format!("sobot/requests/{kind}.json"), &call);
    }
}

#[test]
fn a_base_url_replaces_the_host_and_3gpp_is_called_3gp() {
    let mut account = account(Sobot);
    account.base_url = Some("http://127.0.0.1:9/sim".to_owned());
    let mut message = message(&account, MediaKind::Video);
    message.draft.media.mime_type = Some("video/3gpp".to_owned());
    message.draft.media.caption = None;
    check_golden(
        "sobot/requests/video_3gp_base_url.json",
        &call(&account, &message),
    );
}

#[test]
fn each_documented_reply_has_its_outcome() {
    let accepted = format!("accepted [{W1}]");
    let data = format!("{{\"data\":{{\"id\":\"{W1}\"}}}}");
    for (status, body, expected) in [
        (
            200,
            fixture("sobot/replies/accepted_200.json"),
            accepted.as_str(),
        ),
        // The body decides, whatever the HTTP status is.
        (400, fixture("sobot/replies/accepted_200.json"), &accepted),
        (200, data.into(), &accepted),
        (
            200,
            fixture("sobot/replies/refused_400_in_body.json"),
            "refused 400 | Invalid mobile number | - | -",
        ),
        (
            400,
            fixture("sobot/replies/refused_400_in_body.json"),
            "refused 400 | Invalid mobile number | - | -",
        ),
        (
            200,
            br#"{"message":"Invalid key","code":"401"}"#.to_vec(),
            "account refused 401 | Invalid key | - | -",
        ),
        (
            500,
            br#"{"message":"Media upload error","code":131053}"#.to_vec(),
            "refused 131053 | Media upload error | - | -",
        ),
        (
            200,
            br#"{"message":"Something broke","code":500}"#.to_vec(),
            "unclear HTTP 200, code 500: Something broke",
        ),
        (200, br#"{"code":200,"data":{}}"#.to_vec(), "accepted []"),
        // 200 is the status of the exchange and no code of the failure.
        (
            200,
            br#"{"data":{"status":"failed"},"message":"ok","code":200}"#.to_vec(),
            "refused - | ok | - | -",
        ),
        (
            200,
            br#"{"data":{"status":"failed","reason":"(#131053) too large"},"message":"ok","code":200}"#
                .to_vec(),
            "refused 131053 | (#131053) too large | - | -",
        ),
        (
            200,
            br#"{"message":"Message sent successfully."}"#.to_vec(),
            "unclear HTTP 200 with an unreadable body",
        ),
    ] {
        assert_eq!(outcome(Sobot, reply(status, body)), expected);
    }
}

#[test]
fn an_id_longer_than_512_characters_is_not_stored_but_reported() {
    let id = format!("wamid.{}", "A".repeat(507));
    let body = format!("{{\"data\":{{\"id\":\"{id}\"}},\"code\":200}}");
    let outcome = outcome(Sobot, reply(200, body));
    assert!(outcome.starts_with("accepted [] warning:"), "{outcome}");
    assert!(outcome.contains("513 characters"), "{outcome}");
    assert!(!outcome.contains(&id));
}

#[test]
fn each_callback_shape_gives_its_receipts() {
    let failed = format!(
        "failed 131053 | Media upload error | The address of the media answered with 410 | - [{W1}] to - at 2025-11-20T00:53:29"
    );
    check_callbacks(
        Sobot,
        "sobot/callbacks",
        &[
            (
                "status_sent.json",
                &[&format!("sent [{W1}] to - at 2025-11-20T00:53:21")],
            ),
            (
                "status_delivered.json",
                &[&format!("delivered [{W1}] to - at 2025-11-20T00:53:21")],
            ),
            (
                "status_read.json",
                &[&format!("read [{W1}] to - at 2025-11-20T00:53:21")],
            ),
            ("status_failed_flat.json", &[&failed]),
            (
                "status_in_changes_array.json",
                &[&format!(
                    "delivered [{W1}] to 447700900123 at 2025-11-20T00:53:24"
                )],
            ),
            (
                "inbound_text.json",
                &["inbound from 447700900123 at 2025-11-20T00:53:40"],
            ),
            (
                "inbound_image.json",
                &["inbound from 447700900123 at 2025-11-20T00:53:40"],
            ),
            (
                "inbound_video.json",
                &["inbound from 447700900123 at 2025-11-20T00:53:40"],
            ),
        ],
    );
}

#[test]
fn one_bad_element_does_not_stop_its_neighbours() {
    let body = r#"[{"id":"a","status":"sent"},7,{"id":"","status":"read"},{"id":"c","status":"teleported","timestamp":1763600001000}]"#;
    assert_eq!(
        lines(Sobot, &callback(body, None)),
        [
            "sent [a] to - at -",
            "unreadable an element of unknown shape",
            "unreadable a status without a valid id",
            "other teleported [c] to - at 2025-11-20T00:53:21",
        ]
    );
}

#[test]
fn unknown_shapes_are_unparseable() {
    for body in [
        "7",
        "[{}]",
        "{\"id\":\"a\"}",
        "{\"status\":\"sent\"}",
        "not json",
        "{\"id\":",
    ] {
        let lines = lines(Sobot, &callback(body, Some("application/json")));
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with("unreadable "), "{body}: {lines:?}");
    }
}

#[test]
fn a_status_among_messages_or_beside_other_statuses_is_read() {
    for (body, expected) in [
        (
            r#"{"messages":[{"id":"w1","status":"delivered"}]}"#,
            &["delivered [w1] to - at -"][..],
        ),
        (
            r#"{"messaging_product":"whatsapp","contacts":[{"input":"+447700900123","wa_id":"447700900123"}],"messages":[{"id":"w1","message_status":"accepted"}]}"#,
            &["submitted [w1] to 447700900123 at -"],
        ),
        (
            r#"{"messages":[{"id":"w1","status":"failed","errors":[{"code":131026}]}]}"#,
            &["failed 131026 | - | - | - [w1] to - at -"],
        ),
        (
            r#"{"messages":[{"id":"w1","from":"447700900123","status":"delivered"}]}"#,
            &["inbound from 447700900123 at -"],
        ),
        (
            r#"{"messages":[{"id":"w1","type":"image","image":{},"status":"read"}]}"#,
            &["inbound from - at -"],
        ),
        (
            r#"{"id":"w1","status":"delivered","statuses":[{"id":"w2","status":"read"}]}"#,
            &["read [w2] to - at -", "delivered [w1] to - at -"],
        ),
        (
            r#"{"id":"w1","status":"delivered","statuses":[]}"#,
            &["delivered [w1] to - at -"],
        ),
        (
            r#"{"id":"e1","status":"success","statuses":[{"id":"w2","status":"read"}]}"#,
            &["read [w2] to - at -"],
        ),
        (
            r#"{"statuses":[{"id":"w2","status":"read"}],"entry":[{"changes":[{"field":"messages","value":{"statuses":[{"id":"w1","status":"sent"}]}}]}]}"#,
            &["sent [w1] to - at -", "read [w2] to - at -"],
        ),
    ] {
        assert_eq!(lines(Sobot, &callback(body, None)), expected, "{body}");
    }
}
