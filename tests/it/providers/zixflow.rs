//! Zixflow: exact requests, replies with and without id, and reports in every format.

use bluetick::domain::media::MediaKind;
use bluetick::domain::provider::ProviderId::Zixflow;

use super::{
    account, call, callback, check_callbacks, check_golden, fixture, lines, message, outcome, reply,
};

const W1: &str = "wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgSQjAxRjVBNkU3Qzg5RDAxMjM0AA==";
const W2: &str = "wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgSNzU1NkQ5MEFBQjEyM0NERTQ1AA==";
const W3: &str = "wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgSOTk4ODc3NjY1NTQ0MzMyMjExAA+/";
const OBJECT: &str = "68fe0011223344556677889a";

#[test]
fn each_kind_is_submitted_as_documented() {
    let account = account(Zixflow);
    for kind in MediaKind::ALL {
        let call = call(&account, &message(&account, kind));
        check_golden(&format!("zixflow/requests/{kind}.json"), &call);
    }
}

#[test]
fn options_and_base_url_are_in_the_request() {
    let mut account = account(Zixflow);
    account.base_url = Some("http://127.0.0.1:9".to_owned());
    let mut message = message(&account, MediaKind::Video);
    message.draft.media.caption = None;
    message.draft.options.source = Some("CRM".to_owned());
    message.draft.options.link_with_record = Some(true);
    check_golden(
        "zixflow/requests/video_with_options.json",
        &call(&account, &message),
    );
}

#[test]
fn each_documented_reply_has_its_outcome() {
    for (status, body, expected) in [
        (
            200,
            fixture("zixflow/replies/accepted_200.json"),
            "accepted [68fe0011223344556677889a]",
        ),
        (
            200,
            fixture("zixflow/replies/accepted_without_id_200.json"),
            "accepted []",
        ),
        (
            200,
            fixture("zixflow/replies/ai_queued.json"),
            "accepted []",
        ),
        (
            400,
            fixture("zixflow/replies/refused_400.json"),
            "refused 400 | Invalid data Provided | - | -",
        ),
        (
            401,
            fixture("zixflow/replies/refused_401.json"),
            "account refused 401 | Unauthorised | - | -",
        ),
        // A 200 with a failure in the body, and the reverse: the body decides.
        (
            200,
            fixture("zixflow/replies/refused_400.json"),
            "refused - | Invalid data Provided | - | -",
        ),
        (
            500,
            fixture("zixflow/replies/accepted_200.json"),
            "accepted [68fe0011223344556677889a]",
        ),
        (
            500,
            fixture("zixflow/replies/refused_400.json"),
            "unclear HTTP 500: Invalid data Provided",
        ),
        (
            200,
            br#"{"message":"Message sent successfully"}"#.to_vec(),
            "unclear HTTP 200 with an unreadable body",
        ),
    ] {
        assert_eq!(outcome(Zixflow, reply(status, body)), expected);
    }
}

#[test]
fn each_callback_shape_gives_its_receipts() {
    check_callbacks(
        Zixflow,
        "zixflow/callbacks",
        &[
            (
                "report_flat.json",
                &[&format!(
                    "delivered [{OBJECT}, {W1}] to 447700900123 at 2025-11-20T00:54:30.123"
                )],
            ),
            (
                "report_form.txt",
                &[&format!(
                    "failed 131026 | Message undeliverable | - | - [{OBJECT}, {W3}] to 447700900123 at 2025-11-20T01:01:10"
                )],
            ),
            (
                "report_get.txt",
                &[&format!("sent [{OBJECT}] to - at 2025-11-20T00:54:29")],
            ),
            (
                "ai_postback_delivered.json",
                &[
                    "delivered [604132581490819177] to 447700900123 at 2025-11-20T01:01:19.254174911",
                ],
            ),
            (
                "report_nested_list.json",
                &[
                    &format!(
                        "failed 131047 | Re-engagement message | - | - [{OBJECT}] to - at 2025-11-20T01:01:10.500"
                    ),
                    "read [604132581490819177] to - at 2025-11-20T00:54:31",
                ],
            ),
            (
                "ai_postback_failed.json",
                &[
                    "failed 131026 | (#131026) Message undeliverable | - | - [604132581490819181] to 447700900123 at 2025-11-20T01:02:20.000000001",
                ],
            ),
            (
                "ai_delivery_report.json",
                &[&format!(
                    "delivered [{W2}] to 447700900123 at 2025-11-20T01:02:00"
                )],
            ),
            (
                "inbound_image.json",
                &["inbound from 447700900123 at 2025-11-20T00:54:40.456"],
            ),
        ],
    );
}

#[test]
fn a_report_is_found_under_every_name_of_the_tolerant_table() {
    for name in [
        "messageId",
        "message_id",
        "msgId",
        "id",
        "wamid",
        "waMessageId",
        "externalId",
    ] {
        let body = format!(r#"{{"{name}":"x1","status":"sent"}}"#);
        assert_eq!(
            lines(Zixflow, &callback(body, None)),
            ["sent [x1] to - at -"]
        );
    }
    for name in [
        "status",
        "event",
        "eventType",
        "type",
        "state",
        "deliveryStatus",
        "messageStatus",
    ] {
        let body = format!(r#"{{"id":"x1","{name}":"message.read"}}"#);
        assert_eq!(
            lines(Zixflow, &callback(body, None)),
            ["read [x1] to - at -"]
        );
    }
    for name in [
        "timestamp",
        "time",
        "status_at",
        "statusAt",
        "updatedAt",
        "createdAt",
        "sentAt",
    ] {
        let body = format!(r#"{{"id":"x1","status":"sent","{name}":"2025-11-20T01:00:00Z"}}"#);
        assert_eq!(
            lines(Zixflow, &callback(body, None)),
            ["sent [x1] to - at 2025-11-20T01:00:00"]
        );
    }
    for name in ["remark", "reason", "error", "errorMessage", "failureReason"] {
        let body = format!(r#"{{"id":"x1","status":"failed","{name}":"(#131026) no"}}"#);
        assert_eq!(
            lines(Zixflow, &callback(body, None)),
            ["failed 131026 | (#131026) no | - | - [x1] to - at -"]
        );
    }
    for nest in [
        r#"{"data":X}"#,
        r#"{"payload":X}"#,
        r#"{"message":X}"#,
        r#"{"report":[X]}"#,
        "[X]",
        r#"{"id":"evt-1","event":"update","data":{"message":X}}"#,
        r#"{"messageId":"x1","status":"delivered","data":[],"message":{"type":"image"}}"#,
    ] {
        let body = nest.replace('X', r#"{"messageId":"x1","status":"delivered"}"#);
        assert_eq!(
            lines(Zixflow, &callback(body, None)),
            ["delivered [x1] to - at -"]
        );
    }
}

#[test]
fn the_time_of_a_status_and_a_code_in_any_format_are_found() {
    for (name, word) in [
        ("deliveredAt", "delivered"),
        ("readAt", "read"),
        ("failedAt", "undelivered"),
    ] {
        // The status's own time takes precedence over that of the report.
        let body = format!(
            r#"{{"id":"x1","status":"{word}","timestamp":"2025-11-20T02:00:00Z","{name}":"2025-11-20T01:00:00Z"}}"#
        );
        let [line] = &lines(Zixflow, &callback(body, None))[..] else {
            panic!("one line for {name}");
        };
        assert!(line.ends_with("at 2025-11-20T01:00:00"), "{line}");
    }
    for (error, said) in [
        (r#""errorCode":"1013""#, "1013 | - | - | -"),
        (
            r#""errorCode":131026,"errorMessage":"no""#,
            "131026 | no | - | -",
        ),
        (r#""errorCode":"(#131026)""#, "131026 | - | - | -"),
        (
            r#""errors":["(#131026) no"]"#,
            "131026 | (#131026) no | - | -",
        ),
        (
            r#""error":{"code":"WAV2101","message":"no"}"#,
            "WAV2101 | no | - | -",
        ),
    ] {
        let body = format!(r#"{{"id":"x1","status":"failed",{error}}}"#);
        assert_eq!(
            lines(Zixflow, &callback(body, None)),
            [format!("failed {said} [x1] to - at -")]
        );
    }
}

#[test]
fn a_boolean_is_not_a_status_and_a_shared_id_is_not_a_message_id() {
    for body in [
        r#"{"status":true,"messageId":"x1"}"#,
        r#"{"status":false,"messageId":"x1","message":"no"}"#,
    ] {
        assert_eq!(
            lines(Zixflow, &callback(body, None)),
            ["unreadable no status word under any known name"]
        );
    }
    let form = "status=true&deliveryStatus=read&campaignId=c&requestId=r&refId=f";
    assert_eq!(
        lines(
            Zixflow,
            &callback(form, Some("application/x-www-form-urlencoded"))
        ),
        ["read [] to - at -"]
    );
}

#[test]
fn a_report_of_another_channel_and_an_inbound_message_elsewhere_are_notices() {
    for (body, expected) in [
        (
            r#"{"type":"delivery_status","channel":"SMS","message_id":7,"status":"delivered"}"#,
            "notice a report for the channel sms",
        ),
        (
            r#"{"type":"delivery_status","channel":"instagram","message_id":7,"status":"delivered"}"#,
            "notice a report for the channel instagram",
        ),
        (
            r#"{"type":"delivery_status","channel":"call","message_id":7,"status":"failed"}"#,
            "notice a report for the channel call",
        ),
        (
            r#"{"type":"flow_status","channel":"whatsapp","message_id":7,"status":"failed"}"#,
            "notice flow_status: failed [7] to - at -",
        ),
        (
            r#"{"type":"template_status","channel":"WhatsApp","message_id":7,"status":"rejected"}"#,
            "notice template_status: rejected [7] to - at -",
        ),
        (
            r#"{"event":"incoming.rcs.message","eventId":"e"}"#,
            "notice incoming.rcs.message",
        ),
        (
            r#"{"event":"incoming.whatsapp.message","eventId":"e"}"#,
            "inbound from - at -",
        ),
    ] {
        assert_eq!(lines(Zixflow, &callback(body, None)), [expected]);
    }
}

#[test]
fn an_inexact_number_is_not_an_id() {
    for (number, id) in [
        ("9007199254740993", "9007199254740993"),
        ("18446744073709551615", "18446744073709551615"),
        ("184467440737095516150", ""),
    ] {
        let body = format!(r#"{{"message_id":{number},"status":"sent"}}"#);
        assert_eq!(
            lines(Zixflow, &callback(body, None)),
            [format!("sent [{id}] to - at -")]
        );
    }
}
