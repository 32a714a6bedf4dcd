//! Replies with the mistakes that are repaired in callbacks, and lists instead of objects.

use bluetick::domain::provider::ProviderId::{Kaleyra, Sobot};

use super::{outcome, reply};

#[test]
fn a_reply_with_mistakes_is_read_like_a_callback() {
    let sent = r#"{"data":{"id":"w1","status":"submitted"},"message":"ok","code":200}"#;
    let cut = &sent[..sent.len() - 1];
    for body in [
        sent.to_owned(),
        format!("\u{feff}{sent}"),
        format!("{cut},}}"),
        sent.replace("ok", r"\ud83d"),
        serde_json::json!(sent).to_string(),
        serde_json::json!({"data": r#"{"id":"w1"}"#, "code": 200}).to_string(),
        sent.replace('"', "'"),
    ] {
        let actual = outcome(Sobot, reply(200, body.clone()));
        assert_eq!(actual, "accepted [w1]", "{body}");
    }
    for body in [cut.to_owned(), format!("{sent}{sent}"), format!("[{sent}]")] {
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
