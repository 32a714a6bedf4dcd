//! Rules common to all providers: HTTP statuses, Meta's shapes, secrets, and parsers that never
//! panic.

use std::fs;

use bluetick::domain::callback_fields::CallbackFields;
use bluetick::domain::media::MediaKind;
use bluetick::domain::provider::ProviderId;
use bluetick::domain::receipt::ReceiptEvent;
use bluetick::providers::{Callback, CallbackPart, get, parse_callback};
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::harness::generator::cases;

use super::{
    account, call, callback, callback_of_fixture, check_callbacks, fixtures, lines, message,
    outcome, reply, reply_with,
};

const W1: &str = "wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgSQjAxRjVBNkU3Qzg5RDAxMjM0AA==";
const W2: &str = "wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgSNzU1NkQ5MEFBQjEyM0NERTQ1AA==";
const W3: &str = "wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgSOTk4ODc3NjY1NTQ0MzMyMjExAA+/";

/// With the provider's usual field names.
fn parse_usual(provider: ProviderId, callback: &Callback) -> Vec<CallbackPart> {
    parse_callback(get(provider), &CallbackFields::default(), callback).parts
}

#[test]
fn an_http_status_without_a_parseable_body_has_one_outcome_for_all_providers() {
    for provider in ProviderId::ALL {
        for (reply, expected) in [
            (reply(400, "no"), "refused 400 | HTTP 400 | - | -"),
            (reply(401, ""), "account refused 401 | HTTP 401 | - | -"),
            (reply(403, ""), "account refused 403 | HTTP 403 | - | -"),
            (reply(410, "<html>"), "refused 410 | HTTP 410 | - | -"),
            (
                reply_with(429, ("retry-after", "17"), ""),
                "slow down Some(17s) 429 | HTTP 429 | - | -",
            ),
            (reply(429, ""), "slow down None 429 | HTTP 429 | - | -"),
            (
                reply_with(503, ("retry-after", "120"), "<html>"),
                "try later Some(120s) 503 | HTTP 503 | - | -",
            ),
            (
                reply_with(302, ("location", "https://login.example.com/"), ""),
                "account refused 302 | the provider's URL redirects | Location: https://login.example.com/ | -",
            ),
            (reply(503, ""), "unclear HTTP 503"),
            (reply(500, ""), "unclear HTTP 500"),
            (reply(502, "<html>"), "unclear HTTP 502"),
            (reply(504, "{"), "unclear HTTP 504"),
            (reply(408, ""), "unclear HTTP 408"),
            (
                reply(200, "<html>ok</html>"),
                "unclear HTTP 200 with an unreadable body",
            ),
            (reply(204, ""), "unclear HTTP 204 with an unreadable body"),
            (reply(200, "{}"), "unclear HTTP 200 with an unreadable body"),
            (reply(200, "[]"), "unclear HTTP 200 with an unreadable body"),
        ] {
            assert_eq!(outcome(provider, reply), expected, "{provider}");
        }
    }
}

#[test]
fn too_many_requests_keeps_the_providers_text_and_delay() {
    let body = r#"{"message":"Too Many Attempts."}"#;
    for provider in ProviderId::ALL {
        let reply = reply_with(429, ("retry-after", "30"), body);
        assert_eq!(
            outcome(provider, reply),
            "slow down Some(30s) 429 | Too Many Attempts. | - | -"
        );
    }
}

#[test]
fn secrets_are_only_in_headers_marked_as_secret() {
    for provider in ProviderId::ALL {
        let account = account(provider);
        let call = call(&account, &message(&account, MediaKind::Image));
        for header in &call.headers {
            let looks_secret = ["-key", "-secret", "-token"]
                .iter()
                .any(|part| header.value.contains(part));
            assert_eq!(header.secret, looks_secret, "{provider} {}", header.name);
        }
        assert!(!format!("{}{:?}", call.url, call.body).contains(&format!("{provider}-")));
    }
}

#[test]
fn every_provider_has_capabilities_and_set_up_steps_with_the_url() {
    for provider in ProviderId::ALL {
        let provider = get(provider);
        assert_eq!(
            provider.capabilities().size_limit(MediaKind::Image),
            5_242_880
        );
        assert_eq!(
            provider.capabilities().size_limit(MediaKind::Video),
            16_777_216
        );
        assert!(provider.setup().iter().any(|step| step.contains("{url}")));
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn metas_envelope_gives_its_receipts_for_every_provider() {
    let sent =
        format!("sent [{W1}] to 447700900123 at 2025-11-20T00:55:00 pricing true service CBP -");
    let delivered = format!(
        "delivered [{W1}] to 447700900123 at 2025-11-20T00:55:01 pricing false utility PMP -"
    );
    let read =
        format!("read [{W1}] to 447700900123 at 2025-11-20T00:55:02 pricing true service CBP -");
    let failed = format!(
        "failed 130472 | User's number is part of an experiment | Not sent because this number is part of an experiment | - [{W1}] to 447700900123 at 2025-11-20T00:55:04"
    );
    let beside = format!(
        "failed 131047 | Re-engagement message | - | - [{W1}] to 447700900123 at 2025-11-20T00:55:20"
    );
    let batch = [
        &format!("read [{W1}] to 447700900123 at 2025-11-20T00:55:12"),
        &format!("delivered [{W1}] to 447700900123 at 2025-11-20T00:55:11"),
        "unreadable a status without a valid id",
        "unreadable a status that is not an object",
        &format!(
            "failed 131053 | Media upload error | The address of the media answered with 410 | - [{W2}] to 447700900456 at 2025-11-20T00:55:13"
        ),
        "notice message_template_status_update: APPROVED",
        &format!("played [{W3}] to 447700900457 at 2025-11-20T00:55:14"),
    ];
    for provider in [ProviderId::Sobot, ProviderId::Kaleyra] {
        check_callbacks(
            provider,
            "meta/callbacks",
            &[
                ("status_sent.json", &[&sent]),
                ("status_delivered.json", &[&delivered]),
                ("status_read.json", &[&read]),
                (
                    "status_played.json",
                    &[&format!(
                        "played [{W1}] to 447700900123 at 2025-11-20T00:55:03"
                    )],
                ),
                ("status_failed.json", &[&failed]),
                (
                    "status_failed_details.json",
                    &[&format!(
                        "failed 131014 | Request for the media's address failed with error: 404 (Not Found) | The address did not answer | - [{W1}] to 447700900123 at 2025-11-20T00:55:05"
                    )],
                ),
                (
                    "status_with_tag.json",
                    &[&format!(
                        "sent [{W1}] to 447700900123 at 2025-11-20T00:55:05 tag true"
                    )],
                ),
                (
                    "status_group.json",
                    &[&format!(
                        "read [{W1}] to 447700900123 at 2025-11-20T00:55:06"
                    )],
                ),
                (
                    "status_user_id.json",
                    &[&format!(
                        "delivered [{W1}] to GB.1000200030004000 at 2025-11-20T00:55:07"
                    )],
                ),
                (
                    "system_error.json",
                    &["notice system error 130429: Rate limit hit"],
                ),
                ("batch_mixed.json", &batch),
                ("errors_beside_status.json", &[&beside]),
                (
                    "inbound_unsupported.json",
                    &["inbound from 447700900123 at 2025-11-20T00:55:21"],
                ),
                (
                    "event_account_banned.json",
                    &["notice account_update: DISABLED_UPDATE"],
                ),
                (
                    "event_account_restricted.json",
                    &["notice account_update: ACCOUNT_RESTRICTION"],
                ),
                (
                    "event_account_reviewed.json",
                    &["notice account_review_update"],
                ),
                (
                    "event_capability.json",
                    &["notice business_capability_update"],
                ),
                (
                    "event_limit_upgraded.json",
                    &["notice phone_number_quality_update: UPGRADE"],
                ),
                (
                    "event_number_flagged.json",
                    &["notice phone_number_quality_update: FLAGGED"],
                ),
                (
                    "event_number_name.json",
                    &["notice phone_number_name_update"],
                ),
                ("event_security.json", &["notice security: PIN_CHANGED"]),
                (
                    "event_template_category.json",
                    &["notice template_category_update"],
                ),
                (
                    "event_template_paused.json",
                    &["notice message_template_status_update: PAUSED"],
                ),
                (
                    "event_template_quality.json",
                    &["notice message_template_quality_update"],
                ),
                (
                    "event_template_rejected.json",
                    &["notice message_template_status_update: REJECTED"],
                ),
            ],
        );
    }
    for entry in fs::read_dir(fixtures().join("meta/callbacks")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let sample = callback_of_fixture(&format!("meta/callbacks/{name}"));
        let without_bad = |provider| -> Vec<String> {
            let mut lines = lines(provider, &sample);
            // A status without id may still be correlated by its report URL or recipient.
            lines.retain(|line| !line.starts_with("unreadable ") && !line.contains(" [] "));
            lines
        };
        for provider in [ProviderId::Zixflow, ProviderId::LancePilot] {
            assert_eq!(
                without_bad(provider),
                without_bad(ProviderId::Sobot),
                "{name}"
            );
        }
    }
}

#[test]
fn an_id_equal_to_the_conversation_id_is_not_learned() {
    let body = r#"{"entry":[{"changes":[{"field":"messages","value":{"statuses":[{"id":"abc","status":"read","conversation":{"id":"abc"}}]}}]}]}"#;
    for provider in ProviderId::ALL {
        let parts = parse_usual(provider, &callback(body, None));
        assert!(parts.iter().all(|part| match part {
            CallbackPart::Report(report) => report.ids.is_empty(),
            _ => true,
        }));
    }
}

#[test]
fn an_empty_envelope_is_unparseable() {
    for provider in ProviderId::ALL {
        for body in [
            r#"{"entry":[]}"#,
            r#"{"entry":[{"changes":[]}]}"#,
            r#"{"entry":[{"changes":[{"field":"messages","value":{"statuses":[]}}]}]}"#,
        ] {
            let lines = lines(provider, &callback(body, None));
            assert_eq!(lines.len(), 1, "{provider} {body}");
            assert!(lines[0].starts_with("unreadable "), "{provider} {body}");
        }
    }
}

#[test]
fn a_payload_of_three_mebibytes_with_a_thousand_statuses_is_parsed_completely() {
    let statuses: Vec<_> = (0..1000)
        .map(|n| {
            format!(
                r#"{{"id":"w{n}","status":"sent","pad":"{}"}}"#,
                "x".repeat(3000)
            )
        })
        .collect();
    let body = format!(
        r#"{{"entry":[{{"changes":[{{"field":"messages","value":{{"statuses":[{}]}}}}]}}]}}"#,
        statuses.join(",")
    );
    assert_eq!(lines(ProviderId::Sobot, &callback(body, None)).len(), 1000);
}

/// JSON with the names and words that parsers look for, in unexpected places.
fn strange_json() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "id",
        "status",
        "statuses",
        "entry",
        "changes",
        "value",
        "field",
        "messages",
        "errors",
        "error",
        "code",
        "conversation",
        "meta_object",
        "extra_info",
        "message_id",
        "ref",
        "ref2",
        "data",
        "attributes",
        "relationships",
        "contact",
        "number",
        "event",
        "type",
        "message",
        "payload",
        "timestamp",
        "to",
        "from",
        "result",
        "workflowInvocationId",
        "channel",
        "pricing",
        "price",
        "contacts",
        "recipient_id",
        "title",
        "error_data",
        "biz_opaque_callback_data",
        "source",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "sent",
            "read",
            "failed",
            "messages",
            "message.outgoing",
            "message.status",
            "api",
            "whatsapp",
            "(#131026)",
            "<id>",
            "bt:",
            "1763600001",
            "wamid.x",
            "incoming.whatsapp.message",
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..7).prop_map(|fields| {
                Value::Object(
                    fields
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect::<Map<_, _>>(),
                )
            }),
        ]
    })
}

fn check_parts(provider: ProviderId, parts: &[CallbackPart]) {
    assert!(!parts.is_empty(), "{provider}");
    for part in parts {
        let CallbackPart::Report(report) = part else {
            continue;
        };
        assert!(report.ids.len() <= 16);
        assert!(
            report
                .ids
                .iter()
                .all(|id| !id.as_str().contains(['<', ' ']) || !id.as_str().ends_with('>'))
        );
        if let Some(ReceiptEvent::Other(word)) = &report.event {
            assert!(word.chars().count() <= 100);
        }
    }
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn parsers_never_panic_on_strange_json(payload in strange_json()) {
        let sample = callback(payload.to_string(), Some("application/json"));
        let chosen = CallbackFields {
            id: Some("id".to_owned()),
            status: Some("status".to_owned()),
            error: Some("message".to_owned()),
            ..CallbackFields::default()
        };
        for provider in ProviderId::ALL {
            check_parts(provider, &parse_usual(provider, &sample));
            check_parts(provider, &parse_callback(get(provider), &chosen, &sample).parts);
        }
    }

    #[test]
    fn parsers_never_panic_on_bytes(body in prop::collection::vec(any::<u8>(), 0..300), query in "\\PC{0,60}") {
        for content_type in [None, Some("application/x-www-form-urlencoded"), Some("application/json")] {
            let mut sample = callback(body.clone(), content_type);
            sample.query.clone_from(&query);
            for provider in ProviderId::ALL {
                check_parts(provider, &parse_usual(provider, &sample));
            }
            sample.body.clear();
            for provider in ProviderId::ALL {
                check_parts(provider, &parse_usual(provider, &sample));
            }
        }
    }

    #[test]
    fn replies_never_panic(status in 100_u16..600, body in prop_oneof![
        strange_json().prop_map(|payload| payload.to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..200),
    ]) {
        for provider in ProviderId::ALL {
            outcome(provider, reply(status, body.clone()));
        }
    }
}
