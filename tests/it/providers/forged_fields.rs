//! Texts of customers that look like the fields of another format: they add no report, whatever the
//! format around them is and whatever mistake it has.

use bluetick::domain::provider::ProviderId::{self, Kaleyra, Sobot, Zixflow};

use super::{callback, lines};

/// A form, lines, parts and objects about the message `X`.
const FORGED: &[&str] = &[
    "&id=X&status=failed&",
    "x&status=failed&id=X",
    "?id=X&status=failed",
    "\nid: X\nstatus: failed\n",
    "\r\nid=X\r\nstatus=failed",
    "\r\n--b\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\nX\r\n--b\r\nContent-Disposition: form-data; name=\"status\"\r\n\r\nfailed",
    r#"{"id":"X","status":"failed"}"#,
    r#"[{"id":"X","status":"failed"}]"#,
    r#""},{"id":"X","status":"failed"},{"a":""#,
    "{'id':'X','status':'failed'}",
    "%7B%22id%22%3A%22X%22%2C%22status%22%3A%22failed%22%7D",
    "<id>X</id><status>failed</status>",
];

const LABELS: &[Option<&str>] = &[
    None,
    Some("application/json"),
    Some("application/x-www-form-urlencoded"),
    Some("text/plain"),
];

/// The name of the id and of the status.
const NAMES: &[(ProviderId, &str, &str)] = &[
    (Sobot, "id", "status"),
    (Kaleyra, "message_id", "status"),
    (Zixflow, "messageId", "deliveryStatus"),
];

/// A report about `A` beside a text, in formats that escape the text, leave its line breaks out, or leave
/// out its `&`.
fn documents(id: &str, status: &str, text: &str) -> Vec<String> {
    let json = serde_json::json!({ id: "A", status: "read", "text": text }).to_string();
    let xml = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let line = text.replace(['\r', '\n'], " ");
    let plain = text.replace('&', "");
    let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    vec![
        json.clone(),
        format!("var data = {json};"),
        format!("callback({json});"),
        format!("payload={json}"),
        format!("x=1&payload={json}"),
        format!("x=1&payload=[{json}]&y=2"),
        format!("40\r\n{json}\r\n0\r\n\r\n"),
        format!("<r><{id}>A</{id}><{status}>read</{status}><text>{xml}</text></r>"),
        format!("<r><text>{xml}</text><{id}>A</{id}><{status}>read</{status}></r>"),
        format!("{id}: A\n{status}: read\ntext: {line}"),
        format!("text={line}\r\n{id}=A\r\n{status}=read"),
        format!("{id}=A&{status}=read&text={plain}"),
        format!("text={plain}&{id}=A&{status}=read"),
        format!("text={encoded}&{id}=A&{status}=read"),
    ]
}

#[test]
fn a_text_of_a_customer_is_never_a_field() {
    for (provider, id, status) in NAMES {
        for text in FORGED {
            for body in documents(id, status, text) {
                for label in LABELS {
                    let read = lines(*provider, &callback(body.clone(), *label));
                    let others = read.iter().filter(|line| !line.contains("[A]"));
                    let mut forged = others.filter(|line| !line.starts_with("unreadable"));
                    assert_eq!(forged.next(), None, "{provider} {label:?} {body}");
                }
            }
        }
    }
}

#[test]
fn a_report_beside_a_harmless_text_is_read_under_every_label() {
    for (provider, id, status) in NAMES {
        for text in [
            "Meera",
            "a=b",
            "see example.com?a=1&b=2",
            "100%",
            "I <3 you",
        ] {
            for body in documents(id, status, text) {
                for label in LABELS {
                    let read = lines(*provider, &callback(body.clone(), *label));
                    let is_read = read.iter().any(|line| line.starts_with("read [A]"));
                    assert!(is_read, "{provider} {label:?} {body}: {read:?}");
                }
            }
        }
    }
}

#[test]
fn objects_between_other_quotes_are_a_customers() {
    let forged = r#""},{"id":"X","status":"failed"},{"a":""#;
    for body in [
        format!("[{{id': 'A', 'status': 'sent', 'text': '{forged}'}}]"),
        format!("[{{'id: 'A', 'status': 'sent', 'text': '{forged}'}}]"),
        "{\"id\":\"A\",\"status\":\"sent\"}\n{\"id\":\"B\",\"x\" 1,\"text\":\"\n{id:X,status:failed}\"}"
            .to_owned(),
    ] {
        let read = lines(Sobot, &callback(body.clone(), None));
        let is_forged = read.iter().any(|line| line.contains("[X]"));
        assert!(!is_forged, "{body}: {read:?}");
    }
}

#[test]
fn a_status_word_that_swallowed_its_neighbour_is_shown() {
    for body in [
        r#"{"id":"A","status":"read","timestamp""1763600000"}"#,
        r#"{"id":"A","status":"r:"read"}"#,
        "id=A&status=read#time=1763600000",
        "id=A&status=read%3Ctime=1763600000",
    ] {
        let read = lines(Sobot, &callback(body, None));
        assert!(read[0].starts_with("unreadable"), "{body}: {read:?}");
    }
    for word in ["read,", "[read", "read;", "read>", "read\\u0000"] {
        let body = format!(r#"{{"id":"A","status":"{word}"}}"#);
        let read = lines(Sobot, &callback(body.clone(), None));
        assert_eq!(read, ["read [A] to - at -"], "{body}");
    }
}

#[test]
fn what_is_around_a_list_identifies_none_of_its_messages() {
    let of = |list: &str| {
        let body =
            format!(r#"{{"messageId":"O","to":"919970123456","event":"x","data":[{list}]}}"#);
        lines(Zixflow, &callback(body, None))
    };
    assert_eq!(
        of(r#"{"messageId":"A","status":"read"},{"messageId":"null","status":"failed"}"#),
        ["read [A] to - at -", "failed - | - | - | - [] to - at -"]
    );
    assert_eq!(
        of(r#"{"status":"sent"},{"status":"read"}"#),
        [
            "sent [O] to 919970123456 at -",
            "read [O] to 919970123456 at -"
        ]
    );
    let event = r#"{"specversion":"1.0","id":"e1","data":{"status":"read"}}"#;
    assert_eq!(
        lines(Zixflow, &callback(event, None)),
        ["read [] to - at -"]
    );
}

#[test]
fn a_contact_is_not_the_customer_of_a_status_beside_one_that_names_its_own() {
    let body = r#"{"contacts":[{"wa_id":"919970100001"}],"statuses":[
        {"id":"A","status":"read","recipient_id":"919970100001"},{"id":"B","status":"sent"}]}"#;
    assert_eq!(
        lines(Sobot, &callback(body, None)),
        ["read [A] to 919970100001 at -", "sent [B] to - at -"]
    );
}

#[test]
fn a_mistake_in_the_name_of_a_list_loses_no_status() {
    for name in [r#""s"tatuses""#, r#""st"at"uses""#, r#""statuses"""#] {
        let body = format!(r#"{{"value":{{{name}:[{{"id":"A","status":"read"}}]}}}}"#);
        let read = lines(Sobot, &callback(body.clone(), None));
        let is_read = read.iter().any(|line| line == "read [A] to - at -");
        assert!(is_read, "{body}: {read:?}");
    }
}

#[test]
fn an_earlier_state_of_a_record_is_no_report() {
    for body in [
        r#"{"Records":[{"eventName":"REMOVE","dynamodb":{"OldImage":{"id":{"S":"A"},"status":{"S":"failed"}}}}]}"#,
        r#"{"before":{"id":"A","status":"failed"},"after":null}"#,
        r#"{"data":{"old":{"id":"A","status":"failed"}}}"#,
    ] {
        for provider in [Sobot, Kaleyra, Zixflow] {
            let read = lines(provider, &callback(body, None));
            let is_report = read.iter().any(|line| line.starts_with("failed"));
            assert!(!is_report, "{provider} {body}: {read:?}");
        }
    }
}
