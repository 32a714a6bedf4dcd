//! Replies with malformed JSON that is also repaired in callbacks, and lists instead of objects.

use bluetick::domain::provider::ProviderId::{Kaleyra, Sobot};

use super::{outcome, reply};

const SENT: &str = r#"{"data":{"id":"w1","status":"submitted"},"message":"ok","code":200}"#;

#[test]
fn malformed_json_in_a_reply_is_repaired_as_in_a_callback() {
    let without_end = &SENT[..SENT.len() - 1];
    for body in [
        SENT.to_owned(),
        format!("\u{feff}{SENT}"),
        format!("{without_end},}}"),
        SENT.replace("ok", r"\ud83d"),
        serde_json::json!(SENT).to_string(),
        serde_json::json!({"data": r#"{"id":"w1"}"#, "code": 200}).to_string(),
        SENT.replace('"', "'"),
    ] {
        let actual = outcome(Sobot, reply(200, body.clone()));
        assert_eq!(actual, "accepted [w1]", "{body}");
    }
}

#[test]
fn a_truncated_repeated_or_listed_reply_is_unclear() {
    let truncated = &SENT[..SENT.len() - 1];
    for body in [
        truncated.to_owned(),
        format!("{SENT}{SENT}"),
        format!("[{SENT}]"),
    ] {
        let actual = outcome(Sobot, reply(200, body.clone()));
        assert_eq!(actual, "unclear HTTP 200 with an unreadable body", "{body}");
    }
}

#[test]
fn an_id_in_a_list_is_read_if_it_is_the_only_one() {
    for (data, expected) in [
        (r#"[{"message_id":"A2"}]"#, "accepted [A2]"),
        (
            r#"[{"message_id":"A2"},{"message_id":"A3"}]"#,
            "accepted []",
        ),
        ("[]", "accepted []"),
    ] {
        let body = format!(r#"{{"code":"WA202","data":{data},"error":{{}}}}"#);
        assert_eq!(outcome(Kaleyra, reply(202, body)), expected);
    }
}
