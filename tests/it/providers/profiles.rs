//! Callback profiles: callbacks with field names and a format that the operator chose in the
//! provider's console.

use bluetick::domain::callback_fields::CallbackFields;
use bluetick::domain::correlation_tag;
use bluetick::domain::provider::ProviderId::{self, Kaleyra, LancePilot, Sobot, Zixflow};
use bluetick::providers::Callback;

use super::{callback, lines, lines_by, message_id};

const WAMID: &str = "wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgSQjAxRjVBNkU3Qzg5RDAxMjM0AA==";

fn fields() -> CallbackFields {
    CallbackFields {
        id: Some("msgid".to_owned()),
        status: Some("st".to_owned()),
        time: Some("ts".to_owned()),
        recipient: Some("mob".to_owned()),
        reference: Some("one".to_owned()),
        reference1: Some("two".to_owned()),
        reference2: Some("three".to_owned()),
        error: Some("why".to_owned()),
        price: Some("cost".to_owned()),
    }
}

fn get(query: &str) -> Callback {
    Callback {
        method: "GET".to_owned(),
        query: query.to_owned(),
        ..callback("", None)
    }
}

fn check(provider: ProviderId, callback: &Callback, expected: &[&str]) {
    assert_eq!(lines_by(&fields(), provider, callback), expected);
}

#[test]
fn the_configured_names_are_parsed_in_every_format_and_for_every_provider() {
    let tag = correlation_tag::format_tag(message_id());
    let json = format!(
        r#"{{"msgid":"{WAMID}","st":"DELIVERED","ts":"1763600100","mob":"+44 7700 900123","one":"a","two":"<ref1>","three":"{tag}","why":"<error>","cost":0.0042}}"#
    );
    let form = format!(
        "msgid={WAMID}&st=delivered&ts=1763600100&mob=447700900123&three={tag}&why=&cost=0.0042"
    );
    let xml = format!(
        "<?xml version=\"1.0\"?><dlr msgid=\"{WAMID}\"><st>Delivered</st><ts>1763600100</ts><mob>447700900123</mob><three>{tag}</three><why>&lt;error&gt;</why><cost>0.0042</cost></dlr>"
    );
    let text = format!(
        "msgid: {WAMID}\nst: delivered\nts: 1763600100\nmob: 447700900123\nthree: {tag}\nwhy: <error>\ncost: 0.0042\n"
    );
    let expected = format!(
        "delivered [{WAMID}] to 447700900123 at 2025-11-20T00:55:00 tag true pricing - - - 0.0042"
    );
    for provider in ProviderId::ALL {
        for callback in [
            callback(json.clone(), Some("application/json")),
            callback(form.clone(), Some("application/x-www-form-urlencoded")),
            callback(form.clone(), Some("text/plain")),
            get(&form),
            callback(xml.clone(), Some("text/xml")),
            callback(text.clone(), Some("text/plain")),
        ] {
            check(provider, &callback, &[&expected]);
        }
    }
}

#[test]
fn without_the_mapping_the_callback_is_unparseable() {
    let read = lines(Kaleyra, &get("msgid=k-1&st=read"));
    assert!(read[0].starts_with("unreadable "), "{read:?}");
}

#[test]
fn unfilled_placeholders_and_empty_values_count_as_absent() {
    let read = get("msgid=k-1&st=read&ts=%3Ctime%3E&mob=&one=%3Cref%3E&cost=%3Cprice%3E");
    check(Kaleyra, &read, &["read [k-1] to - at -"]);
    let without_status = get("msgid=k-1&st=%3Cstatus%3E");
    let read = lines_by(&fields(), Kaleyra, &without_status);
    assert!(read[0].starts_with("unreadable "), "{read:?}");
}

#[test]
fn an_error_is_a_code_or_a_text_or_an_error_object() {
    for (why, expected) in [
        (r#""131053""#, "failed 131053 | - | - | - [k-1] to - at -"),
        ("131026", "failed 131026 | - | - | - [k-1] to - at -"),
        (r#""WAV2101""#, "failed WAV2101 | - | - | - [k-1] to - at -"),
        (
            r#""(#131047) Re-engagement message""#,
            "failed 131047 | (#131047) Re-engagement message | - | - [k-1] to - at -",
        ),
        (
            r#""Number opted out""#,
            "failed - | Number opted out | - | - [k-1] to - at -",
        ),
        (
            r#"{"code":131053,"title":"Media upload error"}"#,
            "failed 131053 | Media upload error | - | - [k-1] to - at -",
        ),
        (r#""<error>""#, "failed - | - | - | - [k-1] to - at -"),
    ] {
        let body = format!(r#"{{"msgid":"k-1","st":"not sent","why":{why}}}"#);
        check(Kaleyra, &callback(body, None), &[expected]);
    }
}

#[test]
fn values_may_be_nested_and_reports_listed() {
    let nested = r#"{"event":{"st":"read","ts":1763600100},"message":{"msgid":"k-1","mob":"447700900123"},"st":"<status>"}"#;
    check(
        Kaleyra,
        &callback(nested, None),
        &["read [k-1] to 447700900123 at 2025-11-20T00:55:00"],
    );
    let list = r#"{"batch":"b-9","reports":[{"msgid":"k-1","st":"sent"},7,{"msgid":"k-2"},{"msgid":"k-3","st":"read"}]}"#;
    let broken = "unreadable an element without a status under the configured names";
    for provider in [Sobot, Kaleyra] {
        check(
            provider,
            &callback(list, None),
            &[
                "sent [k-1] to - at -",
                broken,
                broken,
                "read [k-3] to - at -",
            ],
        );
    }
    let xml = "<r><m><msgid>k-1</msgid><st>sent</st></m><m><msgid>k-2</msgid><st>seen</st></m></r>";
    check(
        Zixflow,
        &callback(xml, None),
        &["sent [k-1] to - at -", "read [k-2] to - at -"],
    );
}

#[test]
fn names_that_were_not_chosen_keep_the_documented_ones() {
    let only_the_id = CallbackFields {
        id: Some("msgid".to_owned()),
        ..CallbackFields::default()
    };
    let report =
        get("msgid=k-1&id=conversation-7&status=read&timestamp=1763600100&mobile=447700900123");
    assert_eq!(
        lines_by(&only_the_id, Kaleyra, &report),
        ["read [k-1] to 447700900123 at 2025-11-20T00:55:00"]
    );
}

#[test]
fn callbacks_without_the_configured_names_are_parsed_as_documented() {
    let chosen = CallbackFields {
        status: Some("status".to_owned()),
        id: Some("message_id".to_owned()),
        ..CallbackFields::default()
    };
    let passed_through = format!(
        r#"{{"meta_object":{{"value":{{"statuses":[{{"id":"{WAMID}","status":"read","timestamp":"1763600100"}}]}},"field":"messages"}},"status":"read","message_id":"k-2"}}"#
    );
    for fields in [chosen, fields()] {
        for (provider, body) in [
            (Kaleyra, passed_through.as_str()),
            (
                Kaleyra,
                r#"{"from":"447700900123","type":"image","created_at":"1763600100"}"#,
            ),
            (
                LancePilot,
                r#"{"event":"message.read","data":{"type":"messages","id":"lp-1"}}"#,
            ),
            (Kaleyra, "<dlr>"),
        ] {
            let callback = callback(body, None);
            assert_eq!(
                lines_by(&fields, provider, &callback),
                lines(provider, &callback)
            );
        }
    }
}

#[test]
fn a_word_has_the_meaning_of_its_provider() {
    check(
        Kaleyra,
        &get("msgid=k-1&st=0"),
        &["failed - | - | - | - [k-1] to - at -"],
    );
    check(
        Kaleyra,
        &get("msgid=k-1&st=submit-success"),
        &["submitted [k-1] to - at -"],
    );
    check(
        LancePilot,
        &get("msgid=l-1&st=0"),
        &["other 0 [l-1] to - at -"],
    );
    check(
        Kaleyra,
        &get("msgid=k-1&st=parked"),
        &["other parked [k-1] to - at -"],
    );
}

#[test]
fn a_tag_is_found_in_an_unconfigured_field() {
    let query = format!(
        "msgid=k-1&st=read&note=order+7+{}",
        correlation_tag::format_tag(message_id())
    );
    check(Kaleyra, &get(&query), &["read [k-1] to - at - tag true"]);
}

#[test]
fn the_query_is_parsed_if_the_body_is_empty() {
    let request = Callback {
        query: "msgid=k-1&st=read".to_owned(),
        ..callback("{}", Some("application/json"))
    };
    check(Kaleyra, &request, &["read [k-1] to - at -"]);
}
