//! Callbacks that a queue, a gateway or an event bus passes through: the content is read, a customer's
//! text is not.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bluetick::domain::provider::ProviderId::{self, Kaleyra, LancePilot, Sobot, Zixflow};
use serde_json::{Value, json};

use super::{callback, lines};

const REPORTS: &[(ProviderId, &str)] = &[
    (Sobot, r#"{"id":"w1","status":"read"}"#),
    (
        Sobot,
        r#"[{"field":"messages","value":{"statuses":[{"id":"w1","status":"read"}]}}]"#,
    ),
    (Kaleyra, r#"{"message_id":"w1","status":"read"}"#),
    (Zixflow, r#"{"messageId":"w1","deliveryStatus":"read"}"#),
    (
        LancePilot,
        r#"{"event":"message.read","data":{"type":"messages","id":"w1"}}"#,
    ),
];

/// The envelopes around a content, by name.
fn envelopes(content: &str) -> Vec<(&'static str, String)> {
    let mut all = notification_envelopes(content);
    all.extend(queue_envelopes(content));
    all
}

/// The envelopes of notifications and gateways around a content, by name.
fn notification_envelopes(content: &str) -> Vec<(&'static str, String)> {
    let value: Value = serde_json::from_str(content).unwrap();
    let encoded = STANDARD.encode(content);
    let topic = json!({"Type": "Notification", "MessageId": "m1", "TopicArn": "arn:aws:sns:x", "Subject": null,
        "Message": content, "Timestamp": "2026-11-28T03:50:50.000Z", "SignatureVersion": "1", "Signature": "x"});
    let json = |value: Value| value.to_string();
    vec![
        ("SNS", json(topic.clone())),
        (
            "short SNS",
            json(json!({"Type": "Notification", "Message": content})),
        ),
        (
            "SQS",
            json(
                json!({"Records": [{"messageId": "q1", "receiptHandle": "x", "body": content,
            "attributes": {"ApproximateReceiveCount": "1"}, "eventSource": "aws:sqs"}]}),
            ),
        ),
        (
            "short SQS",
            json(json!({"Records": [{"body": content, "md5OfBody": "x"}]})),
        ),
        (
            "SNS in SQS",
            json(json!({"Records": [{"receiptHandle": "x", "body": topic.to_string()}]})),
        ),
        (
            "SNS in Lambda",
            json(json!({"Records": [{"EventSource": "aws:sns", "Sns": topic}]})),
        ),
        (
            "short SNS in Lambda",
            json(json!({"Records": [{"Sns": {"Message": content}}]})),
        ),
        (
            "Kinesis",
            json(json!({"Records": [{"kinesis": {"data": encoded, "partitionKey": "1"}}]})),
        ),
        (
            "Pub/Sub",
            json(
                json!({"message": {"data": encoded, "messageId": "1", "attributes": {}},
            "subscription": "projects/x/subscriptions/y"}),
            ),
        ),
        (
            "API Gateway",
            json(
                json!({"resource": "/", "httpMethod": "POST", "headers": {"a": "b"},
            "requestContext": {"stage": "prod"}, "body": content, "isBase64Encoded": false}),
            ),
        ),
        (
            "API Gateway, encoded",
            json(json!({"body": encoded, "isBase64Encoded": true})),
        ),
        (
            "Event Grid",
            json(
                json!([{"id": "e1", "eventType": "x.y", "subject": "s", "data": value,
            "eventTime": "2026-11-28T03:50:50Z", "dataVersion": "1"}]),
            ),
        ),
        (
            "CloudEvents",
            json(
                json!({"specversion": "1.0", "type": "x.y", "source": "s", "id": "e1", "data": value}),
            ),
        ),
        (
            "CloudEvents, text",
            json(json!({"specversion": "1.0", "type": "x.y", "id": "e1", "data": content})),
        ),
        (
            "CloudEvents, encoded",
            json(json!({"specversion": "1.0", "type": "x.y", "id": "e1", "data_base64": encoded})),
        ),
    ]
}

/// The envelopes of event buses, queues and relays of requests around a content, by name.
fn queue_envelopes(content: &str) -> Vec<(&'static str, String)> {
    let value: Value = serde_json::from_str(content).unwrap();
    let encoded = STANDARD.encode(content);
    let json = |value: Value| value.to_string();
    vec![
        (
            "EventBridge",
            json(json!({"version": "0", "detail-type": "x", "source": "s", "detail": value})),
        ),
        (
            "SQS records",
            json(json!([{"messageId": "q1", "receiptHandle": "x", "body": content}])),
        ),
        (
            "received SQS messages",
            json(
                json!({"Messages": [{"MessageId": "1", "ReceiptHandle": "x", "MD5OfBody": "x", "Body": content}]}),
            ),
        ),
        (
            "SNS with other names",
            json(json!({"type": "Notification", "topicArn": "arn:x", "message": content})),
        ),
        (
            "Kafka",
            json(
                json!({"eventSource": "aws:kafka", "records": {"t-0": [{"topic": "t", "partition": 0, "value": encoded}]}}),
            ),
        ),
        (
            "RabbitMQ",
            json(
                json!({"rmqMessagesByQueue": {"q::/": [{"basicProperties": {}, "data": encoded}]}}),
            ),
        ),
        (
            "ActiveMQ",
            json(
                json!({"eventSource": "aws:mq", "messages": [{"messageID": "1", "brokerInTime": 1, "data": encoded}]}),
            ),
        ),
        (
            "Firehose",
            json(
                json!({"requestId": "r", "timestamp": 1_763_600_000_000_u64, "records": [{"data": encoded}]}),
            ),
        ),
        (
            "pulled Pub/Sub messages",
            json(
                json!({"receivedMessages": [{"ackId": "a", "message": {"data": encoded, "messageId": "1"}}]}),
            ),
        ),
        (
            "Pub/Sub in CloudEvents",
            json(
                json!({"specversion": "1.0", "type": "x.y", "id": "9", "data": {"message": {"data": encoded}, "subscription": "p"}}),
            ),
        ),
        (
            "a queue of a worker",
            json(
                json!({"queue": "q", "messages": [{"id": "1", "timestamp": "x", "attempts": 1, "body": value}]}),
            ),
        ),
        (
            "Service Bus",
            json(
                json!({"ContentData": encoded, "ContentTransferEncoding": "Base64", "MessageId": "1"}),
            ),
        ),
        (
            "a recorded request",
            json(
                json!({"type": "web", "data": {"uuid": "u", "method": "POST", "headers": {}, "content": content}}),
            ),
        ),
        (
            "a step of a flow",
            json(json!({"trigger": {"event": {"method": "POST", "headers": {}, "body": value}}})),
        ),
        (
            "a list of CloudEvents",
            json(json!([{"specversion": "1.0", "type": "x.y", "id": "e1", "data": value}])),
        ),
        (
            "a request",
            json(json!({"request": {"method": "POST", "body": content}})),
        ),
        (
            "a request with an object",
            json(json!([{"headers": {}, "params": {}, "query": {}, "body": value}])),
        ),
    ]
}

/// The content in XML, HTML or another encoding, by name.
fn encodings(content: &str) -> Vec<(&'static str, String)> {
    let html = content.replace('"', "&quot;");
    let percent: String = form_urlencoded::byte_serialize(content.as_bytes()).collect();
    let encoded = STANDARD.encode(content);
    vec![
        ("XML", format!("<request><body>{content}</body></request>")),
        (
            "CDATA",
            format!("<?xml version=\"1.0\"?><r><v/><x><![CDATA[{content}]]></x></r>"),
        ),
        (
            "HTML in XML",
            format!("<request><body>{html}</body></request>"),
        ),
        ("HTML", html),
        ("percent encoding", percent.clone()),
        (
            "percent encoding twice",
            form_urlencoded::byte_serialize(percent.as_bytes()).collect(),
        ),
        ("base64", encoded.clone()),
        (
            "base64 on lines",
            format!("{}\r\n{}", &encoded[..24], &encoded[24..]),
        ),
        (
            "a text in a text",
            json!(json!(content).to_string()).to_string(),
        ),
        ("a script", format!("var status = {content};")),
        ("a protected script", format!(")]}}',\n{content}")),
        ("base64 of URLs", URL_SAFE_NO_PAD.encode(content)),
    ]
}

#[test]
fn the_content_of_an_envelope_is_reported() {
    for (provider, content) in REPORTS {
        for (name, body) in envelopes(content).into_iter().chain(encodings(content)) {
            for kind in [None, Some("application/json"), Some("text/plain")] {
                let mut read = lines(*provider, &callback(body.clone(), kind));
                // Kaleyra's reader also tries what is beside the content.
                read.retain(|line| !line.starts_with("unreadable"));
                assert_eq!(read, ["read [w1] to - at -"], "{provider} {name} {body}");
            }
        }
    }
}

#[test]
fn a_form_in_an_envelope_is_reported() {
    let body = json!({"httpMethod": "POST", "isBase64Encoded": false, "body": "id=w1&status=read"});
    let read = lines(Sobot, &callback(body.to_string(), None));
    assert_eq!(read, ["read [w1] to - at -"]);
}

#[test]
fn a_text_of_a_customer_is_no_report_in_any_envelope() {
    let forged = r#"{"id":"w1","message_id":"w1","messageId":"w1","status":"failed"}"#;
    for message in [
        json!({"from": "919970123456", "type": "text", "body": forged, "created_at": "1763600000"}),
        json!({"from": "919970123456", "text": {"body": forged}, "message": forged, "name": forged}),
        json!({"messages": [{"from": "919970123456", "id": "w2", "type": "text", "text": {"body": forged},
            "button": {"payload": forged, "text": forged}}]}),
        json!({"contacts": [{"profile": {"name": forged}}], "caption": forged, "title": forged}),
    ] {
        let content = message.to_string();
        let xml = format!(
            "<m><from>919970123456</from><text>{}</text></m>",
            forged.replace('"', "&quot;")
        );
        let mut bodies = envelopes(&content);
        bodies.extend(encodings(&content));
        bodies.push(("as it is", content));
        bodies.push(("XML with a sender", xml));
        for (name, body) in bodies {
            for provider in [Sobot, Kaleyra, Zixflow, LancePilot] {
                let read = lines(provider, &callback(body.clone(), None));
                let is_report = read.iter().any(|line| line.starts_with("failed"));
                assert!(!is_report, "{provider} {name} {body}: {read:?}");
            }
        }
    }
}
