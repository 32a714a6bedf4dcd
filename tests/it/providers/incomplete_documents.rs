//! Callbacks that cannot be read as a whole: each complete status in them is reported, the rest is
//! quarantined, and no status has a value of another one.

use bluetick::domain::provider::ProviderId::{self, Kaleyra, LancePilot, Sobot, Zixflow};
use bluetick::domain::receipt::ReceiptEvent;
use bluetick::providers::Callback;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

use super::sample_callbacks::{SHAPES, Status, expected, post, reports, statuses};
use super::{callback, lines};
use crate::harness::generator::cases;

/// The reports, and whether something was quarantined.
fn read(provider: ProviderId, callback: &Callback) -> (Vec<String>, bool) {
    let (unreadable, reports): (Vec<String>, Vec<String>) = lines(provider, callback)
        .into_iter()
        .partition(|line| line.starts_with("unreadable"));
    (reports, !unreadable.is_empty())
}

const A: &str = r#"{"id":"wamid.A","status":"delivered","recipient_id":"919970123456"}"#;
const B: &str = r#"{"id":"wamid.B","status":"read"}"#;
const READ_A: &str = "delivered [wamid.A] to 919970123456 at -";
const READ_B: &str = "read [wamid.B] to - at -";

#[test]
fn what_is_complete_beside_a_mistake_is_reported() {
    let envelope = |statuses: &str| {
        format!(
            r#"{{"object":"x","entry":[{{"id":"1","changes":[{{"field":"messages","value":{{"contacts":[],"statuses":[{statuses}]}}}}]}}]}}"#
        )
    };
    for provider in [Sobot, Kaleyra, Zixflow] {
        for broken in [
            r#"{"id":"wamid.C" "status":"failed"}"#,
            r#"{"id" "wamid.C","status":"failed"}"#,
            r#"{"id":"wamid.C,"status":"failed"}"#,
            r#"{"id":"wamid.C","status":"failed""#,
            r#"{"id":"wamid.C","status":"failed","errors":[{"code" 1}]}"#,
            r#"{"id":"wamid.C","name":"M" "id":"wamid.D","status":"failed"}"#,
            r#"{"id":"wamid.C","conversation":{"id":"wamid.D","status":"failed"} x}"#,
            r#""status":"failed"}"#,
            r#"{"id":"wamid.C","name":"M},{"#,
        ] {
            for body in [
                envelope(&format!("{A},{broken},{B}")),
                format!("[{A},{broken},{B}]"),
                format!(r#"{{"payload":[{A},{broken},{B}]}}"#),
                format!("payload=[{A},{broken},{B}]"),
            ] {
                assert_eq!(
                    read(provider, &post(body.clone())),
                    (vec![READ_A.to_owned(), READ_B.to_owned()], true),
                    "{provider} {body}"
                );
            }
        }
    }
}

#[test]
fn an_object_with_two_ids_is_about_neither_message() {
    for body in [
        r#"{"id":"A","name":"M" "id":"B","status":"failed"}"#,
        r#"{"id":"A","name":"M "id":"B","status":"failed"}"#,
        r#"{"id":"A","name":"M","id":"B","status":"failed"}"#,
        r#"{"id":"A","status":"sent","message_id":"M1","message_id":"M2"}"#,
        "{'id':'A','name':'M' 'id':'B','status':'failed'}",
        r#"{"id":"A","status":"delivered","errors":[],{"id":"B","name" 1,"status":"failed"}"#,
    ] {
        for provider in [Sobot, Kaleyra, Zixflow] {
            for body in [body.to_owned(), format!(r#"{{"statuses":[{body}]}}"#)] {
                let (reports, is_quarantined) = read(provider, &post(body.clone()));
                assert!(
                    is_quarantined && reports.is_empty(),
                    "{provider} {body}: {reports:?}"
                );
            }
        }
    }
}

#[test]
fn what_is_around_a_status_counts_although_it_has_a_mistake() {
    let status = r#"{"id":"w1","status":"REJECTED"}"#;
    for body in [
        format!(r#"[{{"field":"calls","value":{{"statuses":[{status},{{"x" 1}}]}}}}]"#),
        format!(r#"[{{"value":{{"statuses":[{status}]}},"x" 1,"field":"calls"}}]"#),
    ] {
        let (read, _) = read(Sobot, &post(body.clone()));
        assert!(
            read[0].starts_with("notice") && read.len() == 1,
            "{body}: {read:?}"
        );
    }
}

#[test]
fn names_in_another_charset_spoil_only_themselves() {
    let names: &[&[u8]] = &[
        b"\xa5\x5c",
        b"\x83\x5c\x95\x5c",
        b"\x1b$B\"\\\"&\x1b(B",
        b"\xef\xbf\xbd\x5c",
    ];
    for name in names {
        for (before, after) in [
            (r#"[{"name":""#, format!(r#"","x":1}},{A},{B}]"#)),
            (
                r#"{"contacts":[{"profile":{"name":""#,
                format!(r#""}}}}],"statuses":[{A},{B}]}}"#),
            ),
        ] {
            let body = [before.as_bytes(), name, after.as_bytes()].concat();
            let (reports, _) = read(Sobot, &post(body));
            assert_eq!(reports, [READ_A, READ_B], "{name:?} {after}");
        }
        let a = A.strip_suffix('}').unwrap();
        let body = [a.as_bytes(), b",\"name\":\"", name, b"\"}"].concat();
        assert_eq!(read(Sobot, &post(body)), (vec![READ_A.to_owned()], false));
    }
}

#[test]
fn an_end_behind_a_comma_ends_the_text_before_it() {
    let text = format!(r#"[{A},{{"id":"wamid.C","name":"{{","#);
    for body in [
        text.clone(),
        text.replace('"', "&quot;"),
        text.replace('"', "'"),
    ] {
        let (reports, is_quarantined) = read(Sobot, &post(body.clone()));
        assert_eq!(reports, [READ_A], "{body}");
        assert!(is_quarantined, "{body}");
    }
}

#[test]
fn several_documents_in_one_field_are_reported() {
    for body in [
        format!("payload={A};{B}"),
        format!("v=1&payload={A}{B}").replace('"', "%22"),
        format!(r#"{{"payload":{:?}}}"#, format!("{A};{B}")),
        format!(
            "--x\r\nContent-Disposition: form-data; name=\"payload\"\r\n\r\n{A}\n{B}\r\n--x--\r\n"
        ),
    ] {
        let (reports, _) = read(Sobot, &post(body.clone()));
        assert_eq!(reports, [READ_A, READ_B], "{body}");
    }
}

#[test]
fn a_time_that_is_a_list_or_an_object_drops_no_status() {
    for time in [
        "[2026,11,28,3,50,50]",
        r#"{"year":2026,"month":11,"day":28,"hour":3,"second":50}"#,
        r#"{"date":{"year":2026},"time":{"seconds":50}}"#,
        "new Date(2026, 10, 28)",
    ] {
        for (provider, name) in [
            (Sobot, "id"),
            (Kaleyra, "message_id"),
            (Zixflow, "messageId"),
        ] {
            let body = format!(r#"{{"{name}":"w1","status":"read","timestamp":{time}}}"#);
            let (reports, _) = read(provider, &post(body.clone()));
            assert_eq!(reports, ["read [w1] to - at -"], "{body}");
        }
    }
}

#[test]
fn a_status_beside_a_list_of_statuses_is_reported() {
    let statuses = r#""statuses":[{"id":"w2","status":"read"}]"#;
    for (provider, own, expected) in [
        (
            Kaleyra,
            r#""message_id":"w1","status":"delivered""#,
            "delivered [w1] to - at -",
        ),
        (
            Zixflow,
            r#""messageId":"w1","deliveryStatus":"delivered""#,
            "delivered [w1] to - at -",
        ),
        (
            Sobot,
            r#""id":"w1","status":"delivered""#,
            "delivered [w1] to - at -",
        ),
    ] {
        let read = lines(provider, &callback(format!("{{{own},{statuses}}}"), None));
        assert_eq!(read, ["read [w2] to - at -", expected]);
        let same = own.replace("w1", "w2").replace("delivered", "success");
        let read = lines(provider, &callback(format!("{{{same},{statuses}}}"), None));
        assert_eq!(read, ["read [w2] to - at -"]);
    }
}

#[test]
fn names_in_another_case_and_typed_values_are_read() {
    for (provider, body) in [
        (Sobot, r#"{"Statuses":[{"Id":"w1","Status":"Read"}]}"#),
        (Sobot, r#"{"STATUSES":[{"ID":"w1","STATUS":"READ"}]}"#),
        (Sobot, "<Report><Id>w1</Id><Status>Read</Status></Report>"),
        (Sobot, r#"{"id":{"S":"w1"},"status":{"S":"read"}}"#),
        (Kaleyra, r#"{"MessageId":"w1","Status":"Read"}"#),
        (Zixflow, r#"{"MessageID":"w1","DeliveryStatus":"Read"}"#),
        (
            Kaleyra,
            r#"{"Records":[{"dynamodb":{"NewImage":{"message_id":{"S":"w1"},"status":{"S":"read"}}}}]}"#,
        ),
        (
            LancePilot,
            r#"{"Event":"message.read","Data":{"Type":"messages","Id":"w1"}}"#,
        ),
    ] {
        assert_eq!(
            read(provider, &post(body)).0,
            ["read [w1] to - at -"],
            "{body}"
        );
    }
}

#[test]
fn a_missing_mark_loses_at_most_the_two_objects_beside_it() {
    let statuses: Vec<Status> = (0..4)
        .map(|number| Status {
            id: format!("wamid.n{number}"),
            word: ["failed", "read", "sent", "failed"][number],
            seconds: 1_763_600_000 + i64::try_from(number).unwrap(),
            recipient: format!("91997010000{number}"),
            name: "Meera".to_owned(),
            title: "x".to_owned(),
        })
        .collect();
    let mut excesses = Vec::new();
    for shape in SHAPES {
        let expected = expected(*shape, &statuses);
        let written = shape.document(&statuses).to_string();
        for (at, mark) in written.match_indices(['{', '}', '[', ']', ',', ':', '"']) {
            let mut missing = written.clone();
            missing.replace_range(at..at + mark.len(), "");
            let found = reports(shape.provider(), &post(missing.clone()));
            let lost = expected.iter().filter(|it| !found.contains(it)).count();
            if lost > 2 && serde_json::from_str::<Value>(&missing).is_err() {
                excesses.push(format!("{lost}: {missing}"));
            }
        }
    }
    assert!(
        excesses.is_empty(),
        "{} {}",
        excesses.len(),
        excesses.join("\n")
    );
}

/// What a sender's template or a lossy way may remove or insert.
const MARKS: &[&str] = &[
    "\"", "{", "}", "[", "]", ",", ":", "\\", "'", "},{", "\":\"", "\",\"",
];

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn a_mistake_never_gives_a_status_the_values_of_another_one(
        statuses in statuses("[A-Za-z{}\\[\\],: ]{0,12}", "[a-z]{4,9}"),
        shape in select(SHAPES),
        mark in select(MARKS),
        is_removed in any::<bool>(),
        place in any::<Index>(),
    ) {
        let expected = expected(shape, &statuses);
        let mut written = shape.document(&statuses).to_string();
        let places: Vec<usize> = written.match_indices(mark).map(|(at, _)| at).collect();
        if is_removed && mark.len() == 1 && !places.is_empty() {
            let at = places[place.index(places.len())];
            written.replace_range(at..at + mark.len(), "");
        } else {
            let places: Vec<usize> = written.match_indices(['{', '}', '[', ']', ',']).map(|(at, _)| at).collect();
            written.insert_str(places[place.index(places.len())], mark);
        }
        let sample = post(written.clone());
        for report in reports(shape.provider(), &sample) {
            let same = expected.iter().find(|it| it.ids == report.ids);
            // The mark may be inside of an id or a word.
            let Some(same) = same else { continue };
            let is_same_event = match (&report.event, &same.event) {
                // The mark is inside of the word, or of the field around it.
                (Some(ReceiptEvent::Other(_) | ReceiptEvent::Notice(_)), _)
                | (Some(ReceiptEvent::Failure(_)), Some(ReceiptEvent::Failure(_))) => true,
                (found, expected) => found == expected,
            };
            prop_assert!(is_same_event, "{:?} in {}", report, written);
            let is_other_time = expected.iter().any(|it| it.ids != report.ids && it.occurred_at == report.occurred_at);
            prop_assert!(
                report.occurred_at.is_none() || report.occurred_at == same.occurred_at || !is_other_time,
                "{:?} in {}", report, written
            );
        }
    }
}
