//! Callbacks about something other than the delivery of a WhatsApp message are notices.

use bluetick::domain::provider::ProviderId::{Kaleyra, LancePilot, Sobot};

use super::{callback, lines};

#[test]
fn an_event_about_something_else_is_a_notice() {
    let body = |event: &str, beside: &str| {
        format!(
            r#"{{"event":"{event}","data":{{"type":"messages","id":"z1","attributes":{{"status":"failed"{beside}}},"relationships":{{"contact":{{"attributes":{{"number":"447700900123"}}}}}}}}}}"#
        )
    };
    for event in [
        "invoice.failed",
        "sms.delivered",
        "ticket.updated",
        "broadcast.delivered",
        "campaign.sent",
        "subscription.expired",
        "email.opened",
        "otp.failed",
        "deal.rejected",
        "flow.failed",
        "import.failed",
        "instagram.message.delivered",
        "message.payment.failed",
        "message.payment",
        "invoice_failed",
    ] {
        let expected = format!("notice event {event}");
        let read = lines(LancePilot, &callback(body(event, ""), None));
        assert_eq!(read, [expected], "{event}");
    }
    for (channel, expected) in [
        ("sms", "notice an event of the channel sms"),
        ("Instagram", "notice an event of the channel instagram"),
        (
            "WhatsApp Business",
            "failed - | - | - | - [z1] to 447700900123 at -",
        ),
        (
            "Main line",
            "failed - | - | - | - [z1] to 447700900123 at -",
        ),
        ("7", "failed - | - | - | - [z1] to 447700900123 at -"),
    ] {
        let beside = format!(r#","channel":"{channel}""#);
        let read = lines(LancePilot, &callback(body("message.failed", &beside), None));
        assert_eq!(read, [expected], "{channel}");
    }
    // An unknown event of a message does not get the status in its attributes.
    assert_eq!(
        lines(LancePilot, &callback(body("message.teleported", ""), None)),
        ["other teleported [z1] to 447700900123 at -"]
    );
    assert_eq!(
        lines(LancePilot, &callback(body("message.reaction", ""), None)),
        ["other reaction [z1] to 447700900123 at - kind other"]
    );
}

#[test]
fn a_wrapper_around_another_field_is_not_the_status_of_a_message() {
    for (body, expected) in [
        (
            r#"{"meta_object":{"field":"calls","value":{"calls":[{"id":"wacid.1","event":"terminate","status":"FAILED"}]}},"status":"failed","message_id":"A"}"#,
            "notice calls",
        ),
        (
            r#"{"meta_object":{"field":"flows","value":{"event":"FLOW_STATUS_CHANGE"}},"status":"failed","message_id":"A"}"#,
            "notice flows: FLOW_STATUS_CHANGE",
        ),
        (
            r#"{"meta_object":{"field":"calls"},"status":"failed","message_id":"A"}"#,
            "notice calls",
        ),
        (
            r#"{"meta_object":{"entry":[{"changes":[{"field":"calls","value":{}}]}]},"status":"failed","message_id":"A"}"#,
            "notice calls",
        ),
        (
            r#"{"event_type":"payment","status":"failed","message_id":"A"}"#,
            "notice payment: failed [A] to - at -",
        ),
        (
            r#"{"meta_object":null,"status":"failed","message_id":"A"}"#,
            "failed - | - | - | - [A] to - at -",
        ),
    ] {
        assert_eq!(lines(Kaleyra, &callback(body, None)), [expected], "{body}");
    }
}

#[test]
fn a_status_of_something_else_is_a_notice() {
    for (body, expected) in [
        (
            r#"{"id":"w1","status":"failed","event":"payment.failed"}"#,
            "notice payment.failed: failed [w1] to - at -",
        ),
        (
            r#"{"id":"w1","status":"failed","type":{"name":"payment"}}"#,
            "notice payment: failed [w1] to - at -",
        ),
        (
            r#"{"statuses":[{"id":"w1","status":"failed","payment":{"reference_id":"order-1"}}]}"#,
            "notice payment: failed [w1] to - at -",
        ),
        (
            r#"{"id":"w1","status":"failed","event":"message.failed"}"#,
            "failed - | - | - | - [w1] to - at -",
        ),
    ] {
        assert_eq!(lines(Sobot, &callback(body, None)), [expected], "{body}");
    }
}
