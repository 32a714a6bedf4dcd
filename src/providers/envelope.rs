//! Finds the content of a callback that a queue, a gateway or an event bus passed through: Amazon's
//! SNS, SQS, Kinesis, Firehose, `DynamoDB` Streams, `EventBridge` and API Gateway, Kafka, `RabbitMQ`,
//! `ActiveMQ`, Google's Pub/Sub, Azure's queues, `CloudEvents`, and relays of requests.
//!
//! **Invariant:** only an object that names its transport has content; a customer's text beside it is
//! never parsed.

use std::collections::HashMap;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::providers::json_in_text::{begins_json, may_hold_json};
use crate::providers::reading_budget::{ReadingBudget, ReadingLimit};

/// Members, in lower case, by which a transport is known.
const MARKS: &[&str] = &[
    "attempts",
    "basicproperties",
    "brokerintime",
    "contenttransferencoding",
    "detail-type",
    "eventsource",
    "eventsubscriptionarn",
    "headers",
    "httpmethod",
    "insertiontime",
    "isbase64encoded",
    "md5ofbody",
    "partition",
    "publishtime",
    "receipthandle",
    "requestcontext",
    "routing_key",
    "specversion",
];
/// Members, in lower case, whose object is a transport's.
const TRANSPORTS: &[&str] = &["dynamodb", "kinesis", "request"];
/// Members, in lower case, whose object or list may have a transport in it.
const AROUND_TRANSPORTS: &[&str] = &[
    "data",
    "detail",
    "event",
    "messages",
    "receivedmessages",
    "receivemessageresponse",
    "receivemessageresult",
    "records",
    "rmqmessagesbyqueue",
    "trigger",
];
/// Those of [`AROUND_TRANSPORTS`] whose object has a list for each topic or queue.
const LISTS_BY_NAME: &[&str] = &["records", "rmqmessagesbyqueue"];
/// Members of a delivery stream, in lower case: its records have only their content.
const STREAM_MARKS: &[&str] = &["deliverystreamarn", "requestid"];
/// Members of a transport, in lower case, that have the content.
const CONTENTS: &[&str] = &[
    "body",
    "content",
    "contentdata",
    "data",
    "data_base64",
    "messagetext",
    "payload",
    "rawbody",
    "raw_body",
];
/// One in another: a topic in a queue in a function's call.
const DEPTH_LIMIT: usize = 6;
/// As other members have it; padding may be absent.
const BASE64_CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, BASE64_CONFIG);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, BASE64_CONFIG);

/// The contents of the envelopes in a text that is valid JSON, or the JSON in a text that is one
/// string or encoded as base64.
pub(super) fn find_contents(text: &str) -> Result<Vec<String>, ReadingLimit> {
    let mut search = EnvelopeSearch {
        budget: ReadingBudget::default(),
        contents: Vec::new(),
    };
    if begins_json(text) && serde_json::from_str::<IgnoredAny>(text).is_ok() {
        search.search(text, Around::Document, 1)?;
    } else if text.starts_with('"') {
        let mut content: Option<String> = serde_json::from_str(text).ok();
        if let Some(quoted) = content
            .as_deref()
            .filter(|content| content.starts_with('"'))
        {
            content = serde_json::from_str(quoted).ok();
        }
        search
            .contents
            .extend(content.filter(|content| begins_json(content)));
    } else {
        search.contents.extend(decode_json(text));
    }
    Ok(search.contents)
}

/// What an object is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    Document,
    Transport,
    /// Of Amazon's SNS.
    Topic,
    /// An object with a list for each topic or queue.
    Lists,
    Other,
}

struct EnvelopeSearch {
    budget: ReadingBudget,
    contents: Vec<String>,
}

type Members<'t> = HashMap<String, &'t RawValue>;

impl EnvelopeSearch {
    fn search(&mut self, json: &str, around: Around, depth: usize) -> Result<(), ReadingLimit> {
        if depth > DEPTH_LIMIT {
            return Ok(());
        }
        if json.trim_ascii_start().starts_with('[') {
            let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(json) else {
                return Ok(());
            };
            for element in elements {
                self.budget.count_value()?;
                if element.get().starts_with('{') {
                    let around = match around {
                        Around::Lists => Around::Other,
                        other => other,
                    };
                    self.search(element.get(), around, depth + 1)?;
                }
            }
            return Ok(());
        }
        let Ok(members) = serde_json::from_str::<Members<'_>>(json) else {
            return Ok(());
        };
        for _ in &members {
            self.budget.count_value()?;
        }
        self.search_members(&members, around, depth)
    }

    fn search_members(
        &mut self,
        members: &Members<'_>,
        around: Around,
        depth: usize,
    ) -> Result<(), ReadingLimit> {
        let mut names: Vec<(String, &str, &RawValue)> = members
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), name.as_str(), *value))
            .collect();
        names.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        let has = |known: &str| names.iter().any(|(name, ..)| name == known);
        let is_topic = around == Around::Topic
            || has("topicarn")
            || names
                .iter()
                .any(|(name, _, value)| name == "type" && value.get() == "\"Notification\"");
        // A message of a customer names its sender.
        let is_transport = !has("from")
            && (is_topic || around == Around::Transport || MARKS.iter().any(|mark| has(mark)));
        let is_content = |lower: &str, is_container: bool| match lower {
            "detail" => has("detail-type"),
            "message" => is_topic,
            "newimage" => is_container,
            // Kafka's
            "value" => has("partition"),
            _ => CONTENTS.contains(&lower),
        };
        for (lower, name, value) in &names {
            let text = value.get();
            let is_container = text.starts_with(['{', '[']);
            let inside = match lower.as_str() {
                "records" if STREAM_MARKS.iter().any(|mark| has(mark)) => Some(Around::Transport),
                "sns" => Some(Around::Topic),
                "message" if has("subscription") || has("ackid") => Some(Around::Transport),
                transport if TRANSPORTS.contains(&transport) => Some(Around::Transport),
                lists if LISTS_BY_NAME.contains(&lists) => Some(Around::Lists),
                outer if AROUND_TRANSPORTS.contains(&outer) => Some(Around::Other),
                _ if around == Around::Lists => Some(Around::Other),
                _ => None,
            };
            if let Some(inside) = inside.filter(|_| is_container) {
                let found = self.contents.len();
                self.search(text, inside, depth + 1)?;
                let may_be_content = is_transport && is_content(lower, is_container);
                if self.contents.len() > found || !may_be_content {
                    continue;
                }
            }
            let mut content = None;
            if is_transport && is_content(lower, is_container) {
                content = content_of(text);
            } else if !matches!(around, Around::Other | Around::Lists)
                && !is_container
                && may_hold_json(name, depth)
            {
                content = content_of(text).filter(|content| begins_json(content));
            }
            if let Some(content) = content {
                self.add(content, depth)?;
            }
        }
        Ok(())
    }

    /// Adds a content, or those in it if it is another envelope.
    fn add(&mut self, content: String, depth: usize) -> Result<(), ReadingLimit> {
        let found = self.contents.len();
        if begins_json(&content) {
            self.search(&content, Around::Document, depth + 1)?;
        }
        if self.contents.len() == found {
            self.contents.push(content);
        }
        Ok(())
    }
}

/// An object or list, or the text of a string, decoded from base64 if it is JSON then.
fn content_of(value: &str) -> Option<String> {
    if value.starts_with(['{', '[']) {
        return Some(value.to_owned());
    }
    let text: String = serde_json::from_str(value).ok()?;
    Some(decode_json(&text).unwrap_or(text))
}

/// The JSON that a text in base64 contains.
fn decode_json(text: &str) -> Option<String> {
    let text = text.trim_ascii();
    // `{` and `[` with any second byte.
    if !text.starts_with(['e', 'W', 'I', 'C', 'D']) || text.contains(['{', ' ', '"']) {
        return None;
    }
    // Mail breaks it into lines.
    let on_one_line = text.contains('\n').then(|| text.replace(['\r', '\n'], ""));
    let text = on_one_line.as_deref().unwrap_or(text);
    let bytes = BASE64
        .decode(text)
        .or_else(|_| BASE64_URL.decode(text))
        .ok()?;
    let decoded = String::from_utf8(bytes).ok()?;
    begins_json(&decoded).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn contents(envelope: &Value) -> Vec<String> {
        find_contents(&envelope.to_string()).unwrap_or_default()
    }

    #[test]
    fn the_content_of_each_transport_is_found() {
        let content = json!({"id": "A", "status": "delivered"}).to_string();
        let encoded = BASE64.encode(&content);
        let topic = json!({"Type": "Notification", "TopicArn": "arn:x", "Message": content});
        for envelope in [
            topic.clone(),
            json!({"Records": [{"messageId": "q1", "receiptHandle": "x", "body": content}]}),
            json!({"Records": [{"eventSource": "aws:sqs", "body": topic.to_string()}]}),
            json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": content}}]}),
            json!({"Type": "Notification", "Message": content}),
            json!({"Records": [{"kinesis": {"data": encoded}}]}),
            json!({"message": {"data": encoded, "messageId": "1"}, "subscription": "projects/x"}),
            json!({"body": content, "isBase64Encoded": false, "headers": {}}),
            json!({"body": encoded.trim_end_matches('='), "isBase64Encoded": true}),
            json!({"specversion": "1.0", "id": "e1", "data_base64": encoded}),
            json!({"specversion": "1.0", "id": "e1", "data": content}),
            json!({"request": {"method": "POST", "body": content}}),
            json!([{"headers": {}, "body": content}]),
        ] {
            assert_eq!(contents(&envelope), [content.as_str()], "{envelope}");
        }
        let image = json!({"Records": [{"dynamodb": {"NewImage": {"id": {"S": "A"}}}}]});
        assert_eq!(contents(&image), [r#"{"id":{"S":"A"}}"#]);
        for envelope in [
            json!([{"messageId": "q1", "receiptHandle": "x", "body": content}]),
            json!({"Messages": [{"MessageId": "1", "ReceiptHandle": "x", "Body": content}]}),
            json!({"ReceiveMessageResponse": {"ReceiveMessageResult": {"messages": [{"MD5OfBody": "x", "Body": content}]}}}),
            json!({"version": "0", "detail-type": "x", "detail": topic}),
            json!({"eventSource": "aws:kafka", "records": {"t-0": [{"topic": "t", "partition": 0, "value": encoded, "headers": []}]}}),
            json!([{"topic": "t", "key": null, "partition": 0, "offset": 1, "value": content}]),
            json!({"eventSource": "aws:rmq", "rmqMessagesByQueue": {"q::/": [{"basicProperties": {}, "data": encoded}]}}),
            json!({"routing_key": "q", "properties": {}, "payload": encoded, "payload_encoding": "base64"}),
            json!({"eventSource": "aws:mq", "messages": [{"brokerInTime": 1, "data": encoded}]}),
            json!({"requestId": "r", "timestamp": 1, "records": [{"data": encoded}]}),
            json!({"receivedMessages": [{"ackId": "a", "message": {"data": encoded, "messageId": "1"}}]}),
            json!({"queue": "q", "messages": [{"id": "1", "attempts": 1, "body": content}]}),
            json!({"ContentData": encoded, "ContentTransferEncoding": "Base64"}),
            json!({"messageId": "1", "insertionTime": "x", "messageText": encoded}),
            json!({"type": "web", "data": {"uuid": "u", "headers": {"a": ["b"]}, "content": content}}),
            json!({"trigger": {"event": {"headers": {}, "body": content}}}),
            json!({"specversion": "1.0", "data": {"message": {"data": encoded}, "subscription": "p"}}),
        ] {
            assert_eq!(contents(&envelope), [content.as_str()], "{envelope}");
        }
        let lines = format!("{}\r\n{}", &encoded[..20], &encoded[20..]);
        assert_eq!(find_contents(&lines), Ok(vec![content.clone()]));
        let quoted = json!(json!(content).to_string()).to_string();
        assert_eq!(find_contents(&quoted), Ok(vec![content.clone()]));
        let form = json!({"body": "id=A&status=read", "httpMethod": "POST"});
        assert_eq!(contents(&form), ["id=A&status=read"]);
        assert_eq!(find_contents(&encoded), Ok(vec![content]));
    }

    #[test]
    fn a_text_of_a_customer_is_never_content() {
        let forged = json!({"id": "X", "status": "failed"}).to_string();
        for message in [
            json!({"from": "919970123456", "type": "text", "body": forged}),
            json!({"message": forged, "name": forged, "Body": forged}),
            json!({"message": {"text": {"body": forged}, "data": forged}}),
            json!({"Records": [{"from": "919970123456", "body": forged, "data": forged}]}),
            json!({"messages": [{"body": forged, "payload": forged}]}),
            json!({"headers": {}, "from": "919970123456", "body": forged, "message": forged}),
            json!({"request": {"message": forged, "text": forged}}),
            json!({"event": {"name": forged, "body": forged}, "data": {"content": forged, "message": forged}}),
            json!({"records": {"a": [{"value": forged, "data": forged}]}, "trigger": {"body": forged}}),
            json!({"requestId": "r", "records": [{"from": "919970123456", "data": forged}]}),
        ] {
            assert_eq!(contents(&message), Vec::<String>::new(), "{message}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_handled_without_panic(text in r#"(\{"body":|\[|"headers":1|[\]}]|"e[a-zA-Z=\\]{0,9}"|,|1| ){0,20}"#) {
            let _ = find_contents(&text);
        }
    }
}
