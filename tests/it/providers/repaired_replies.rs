//! Replies with malformed JSON that is also repaired in callbacks, and lists instead of objects.

use bluetick::domain::provider::ProviderId::{Kaleyra, LancePilot, Sobot, Zixflow};

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

fn several(count: usize) -> String {
    format!(
        "accepted [] warning: the reply has {count} ids, as if of several messages; they are kept in the attempt, but not used to correlate reports"
    )
}

#[test]
fn the_ids_of_several_messages_in_one_reply_are_not_used_and_warned_about() {
    for (provider, body, expected) in [
        (
            Kaleyra,
            r#"{"code":"WA202","messages":[{"id":"A2"},{"id":"A3"},{"id":"A4"}]}"#,
            several(3),
        ),
        (
            Kaleyra,
            r#"{"data":[{"message_id":"A2"},{"message_id":"A3"}]}"#,
            several(2),
        ),
        (
            Sobot,
            r#"{"data":[{"id":"w1"},{"id":"w2"}],"code":200}"#,
            several(2),
        ),
        (
            Sobot,
            r#"{"data":[{"id":"w1"}]}"#,
            "accepted [w1]".to_owned(),
        ),
        (
            Zixflow,
            r#"{"status":true,"messageId":["z1","z2"]}"#,
            several(2),
        ),
        (
            Zixflow,
            r#"{"status":true,"messageId":["z1"]}"#,
            "accepted [z1]".to_owned(),
        ),
        (
            LancePilot,
            r#"{"status":201,"data":[{"type":"messages","id":"l1"},{"type":"messages","id":"l2"}]}"#,
            several(2),
        ),
        (
            LancePilot,
            r#"{"status":201,"data":{"type":"messages","id":"l1","messages":[{"id":"l2"},{"id":"l3"}]}}"#,
            several(2),
        ),
        (
            LancePilot,
            r#"{"status":201,"data":[{"type":"messages","id":"l1","attributes":{"wamid":"w1"}}]}"#,
            "accepted [l1, w1]".to_owned(),
        ),
    ] {
        assert_eq!(outcome(provider, reply(200, body)), expected, "{body}");
    }
}

#[test]
fn an_id_in_a_list_is_read_if_it_is_the_only_one() {
    for (data, expected) in [
        (r#"[{"message_id":"A2"}]"#, "accepted [A2]"),
        (
            r#"[{"message_id":"A2"},{"message_id":"A3"}]"#,
            several(2).as_str(),
        ),
        (
            r#"[{"message_id":"A2"},{"message_id":"A2"},{}]"#,
            "accepted [A2]",
        ),
        ("[]", "accepted []"),
    ] {
        let body = format!(r#"{{"code":"WA202","data":{data},"error":{{}}}}"#);
        assert_eq!(outcome(Kaleyra, reply(202, body)), expected);
    }
}
