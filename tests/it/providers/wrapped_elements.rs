//! Lists whose elements wrap their content.

use bluetick::domain::provider::ProviderId::{LancePilot, Sobot};

use super::{callback, lines};

#[test]
fn what_is_wrapped_in_the_elements_of_a_list_is_read() {
    let status = r#"{"id":"w1","status":"read"}"#;
    let event = r#"{"event":"message.read","data":{"type":"messages","id":"w1"}}"#;
    for (provider, content) in [(Sobot, status), (LancePilot, event)] {
        for body in [
            format!(r#"[{{"payload":{content}}}]"#),
            format!(r#"[{{"id":"e1","eventType":"Report","data":{content}}}]"#),
        ] {
            let read = lines(provider, &callback(body.clone(), None));
            assert_eq!(read, ["read [w1] to - at -"], "{provider} {body}");
        }
        let mixed = format!(r#"[{content},{{"payload":{content}}},{{"x":1}}]"#);
        let read = lines(provider, &callback(mixed, None));
        assert_eq!(read[..2], ["read [w1] to - at -", "read [w1] to - at -"]);
        assert!(read[2].starts_with("unreadable"), "{read:?}");
    }
}
