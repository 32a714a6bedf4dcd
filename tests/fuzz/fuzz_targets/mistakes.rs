//! Callbacks with mistakes: no status is reported for another message than its own. The first two bytes
//! choose the shape and what is around it; each three further bytes are one mistake: where, and what.
#![no_main]

use bluetick_fuzz::domain::delivery_state::Stage;
use bluetick_fuzz::domain::provider::ProviderId::{self, Kaleyra, LancePilot, Sobot, Zixflow};
use bluetick_fuzz::domain::receipt::ReceiptEvent;
use bluetick_fuzz::{post, reports};

const STATUSES: [(&str, &str); 3] = [("wamid.AAA1", "delivered"), ("wamid.BBB2", "read"), ("wamid.CCC3", "sent")];
/// What surrounds a status, and the status.
const SHAPES: [(ProviderId, &str, &str, &str); 5] = [
    (Sobot, r#"[{"field":"messages","value":{"statuses":["#, r#"{"id":"@","status":"*","recipient_id":"1"}"#, "]}}]"),
    (Sobot, r#"{"entry":[{"id":"7","changes":[{"field":"messages","value":{"statuses":["#, r#"{"id":"@","status":"*","errors":[]}"#, "]}}]}]}"),
    (Kaleyra, "[", r#"{"message_id":"@","status":"*","name":"M [x]"}"#, "]"),
    (Zixflow, r#"{"event":"x","data":["#, r#"{"messageId":"@","status":"*"}"#, "]}"),
    (LancePilot, r#"{"event":"message.status","data":["#, r#"{"type":"messages","id":"@","attributes":{"status":"*"}}"#, "]}"),
];
const MARKS: [&str; 16] = ["\"", "'", ",", ":", "{", "}", "[", "]", "\\", "\n", "\\\"", "=", "&", "<", "\"x\"", ""];
const WRITTEN: [fn(String) -> String; 6] = [
    |text| text,
    |text| text.replace('"', "'"),
    |text| text.replace('"', "\\\""),
    |text| text.replace('"', "&quot;"),
    |text| format!("x=1&payload={text}"),
    |text| format!("callback({text});"),
];

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let [shape, written, mistakes @ ..] = input else {
        return;
    };
    let (provider, before, status, after) = SHAPES[usize::from(*shape) % SHAPES.len()];
    let statuses = STATUSES.map(|(id, word)| status.replace('@', id).replace('*', word));
    let text = format!("{before}{}{after}", statuses.join(","));
    let mut text = WRITTEN[usize::from(*written) % WRITTEN.len()](text);
    for mistake in mistakes.chunks_exact(3).take(4) {
        let place = usize::from(u16::from_be_bytes([mistake[0], mistake[1]])) % (text.len() + 1);
        let place = text.floor_char_boundary(place);
        let removed = usize::from(mistake[2] >> 4) % 3;
        let end = text.floor_char_boundary((place + removed).min(text.len()));
        text.replace_range(place..end, MARKS[usize::from(mistake[2]) % MARKS.len()]);
    }
    for label in [None, Some("application/x-www-form-urlencoded")] {
        for report in reports(provider, &post(text.as_bytes(), label)) {
            let Some(ReceiptEvent::Stage(stage)) = report.event else {
                continue;
            };
            let expected = |id: &str| match id {
                "wamid.AAA1" => Some(Stage::Delivered),
                "wamid.BBB2" => Some(Stage::Read),
                "wamid.CCC3" => Some(Stage::Sent),
                _ => None,
            };
            for own in report.ids.iter().filter_map(|id| expected(id.as_str())) {
                assert_eq!(stage, own, "{provider} {text}");
            }
        }
    }
});
