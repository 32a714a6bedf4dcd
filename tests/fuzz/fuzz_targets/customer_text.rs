//! What a customer writes is no report, in any format and in any envelope.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bluetick_fuzz::domain::provider::ProviderId;
use bluetick_fuzz::domain::receipt::ReceiptEvent;
use bluetick_fuzz::{post, reports};
use serde_json::{Value, json};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let message = json!({ "from": "919970123456", "type": "text", "body": text, "text": {"body": text}, "name": text });
    let meta = json!({ "messages": [&message], "contacts": [{ "profile": { "name": text } }] });
    for document in [&message, &meta] {
        for body in enveloped(document).iter().map(Value::to_string).chain([
            document.to_string(),
            serde_json::to_string_pretty(document).expect("it is valid"),
            format!("payload={document}"),
            format!("x=1&payload={document}&y=2"),
            format!("var x = {document};"),
            STANDARD.encode(document.to_string()),
        ]) {
            check(&body);
        }
    }
    let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let line = text.replace(['\r', '\n'], " ");
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    for body in [
        format!("from=919970123456&type=text&body={encoded}"),
        format!("body={encoded}&from=919970123456&type=text"),
        format!("from: 919970123456\ntype: text\nbody: {line}"),
        format!("<m><from>919970123456</from><type>text</type><body>{escaped}</body></m>"),
        format!("--b7Xq\r\nContent-Disposition: form-data; name=\"from\"\r\n\r\n1\r\n--b7Xq\r\nContent-Disposition: form-data; name=\"body\"\r\n\r\n{text}\r\n--b7Xq--"),
    ] {
        check(&body);
    }
});

fn enveloped(document: &Value) -> Vec<Value> {
    let text = document.to_string();
    let encoded = STANDARD.encode(&text);
    vec![
        json!({ "Type": "Notification", "TopicArn": "x", "Message": text }),
        json!({ "Records": [{ "receiptHandle": "x", "body": text }] }),
        json!({ "Messages": [{ "ReceiptHandle": "x", "Body": text }] }),
        json!({ "eventSource": "aws:kafka", "records": { "t": [{ "partition": 0, "value": encoded }] } }),
        json!({ "requestId": "x", "records": [{ "data": encoded }] }),
        json!({ "message": { "data": encoded }, "subscription": "x" }),
        json!({ "specversion": "1.0", "id": "x", "data": document }),
        json!({ "headers": {}, "body": document }),
        json!({ "detail-type": "x", "detail": document }),
        json!({ "trigger": { "event": { "headers": {}, "body": text } } }),
    ]
}

/// By one of the providers: with all of them, the fuzzer is too slow to find anything.
fn check(body: &str) {
    let provider = ProviderId::ALL[body.len() % ProviderId::ALL.len()];
    for label in [None, Some("application/x-www-form-urlencoded")] {
        for report in reports(provider, &post(body.as_bytes(), label)) {
            let is_status = matches!(report.event, Some(ReceiptEvent::Stage(_) | ReceiptEvent::Failure(_)));
            assert!(!is_status, "{provider} {label:?} {body}");
        }
    }
}
