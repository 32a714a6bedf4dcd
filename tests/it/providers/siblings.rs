//! Payloads in which something is repeated thousands of times, at any level: no provider multiplies them.

use std::time::Duration;

use bluetick::domain::callback_fields::CallbackFields;
use bluetick::domain::provider::ProviderId;
use bluetick::domain::receipt::ReceiptEvent;
use bluetick::providers::{CallbackPart, PARTS_LIMIT, get, parse_callback};
use proptest::prelude::*;
use proptest::sample::select;

use crate::harness::generator::cases;

use super::callback;

/// Names that any parser knows.
const NAMES: &[&str] = &[
    "attributes",
    "biz_opaque_callback_data",
    "changes",
    "code",
    "contacts",
    "conversation",
    "data",
    "entry",
    "error",
    "errors",
    "event",
    "extra_info",
    "field",
    "id",
    "message",
    "message_id",
    "messages",
    "meta_object",
    "payload",
    "pricing",
    "recipient",
    "ref",
    "report",
    "result",
    "status",
    "statuses",
    "timestamp",
    "title",
    "type",
    "value",
    "workflowInvocationId",
];
const WORDS: &[&str] = &[
    "null",
    "1",
    "1763600000",
    "true",
    "\"x\"",
    "\"failed\"",
    "\"read\"",
    "\"whatsapp\"",
    "\"message.status\"",
    "{}",
    "[]",
];
/// Words of texts that consist of one word. The names of events and the words of statuses are split into such.
const REPEATED_WORDS: &[&str] = &[
    "long ", "message ", "msg_", "wa.", "Message", "payment.", "failed ", "{{", "[{", "%7B", "<",
    "0", ", ",
];
/// How often an element of a list is repeated.
const REPEATS: &[usize] = &[1, 1, 2, 70, 8_000];
const NODES: usize = 60_000;
/// Code that is not optimised, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of one part.
const PART_SIZE: usize = 36 * 1024;

#[derive(Clone, Debug)]
enum Payload {
    Scalar(String),
    List(Vec<Payload>, usize),
    Object(Vec<(&'static str, Payload)>),
}

impl Payload {
    fn nodes(&self) -> usize {
        match self {
            Self::Scalar(_) => 1,
            Self::List(elements, repeats) => {
                1 + repeats * elements.iter().map(Self::nodes).sum::<usize>()
            }
            Self::Object(members) => {
                2 + members
                    .iter()
                    .map(|(_, member)| member.nodes())
                    .sum::<usize>()
            }
        }
    }

    fn json(&self) -> String {
        match self {
            Self::Scalar(text) => text.clone(),
            Self::List(elements, repeats) => {
                let once: Vec<String> = elements.iter().map(Self::json).collect();
                format!("[{}]", vec![once.join(","); *repeats].join(","))
            }
            Self::Object(members) => {
                let members = members
                    .iter()
                    .map(|(name, member)| format!("\"{name}\":{}", member.json()));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }
        }
    }
}

fn payloads() -> impl Strategy<Value = Payload> {
    let scalar = prop_oneof![
        8 => select(WORDS).prop_map(ToOwned::to_owned),
        1 => select(REPEATED_WORDS).prop_map(|word| format!("\"{}\"", word.repeat(1_000))),
    ];
    scalar
        .prop_map(Payload::Scalar)
        .prop_recursive(6, 40, 5, |inner| {
            let member = (select(NAMES), inner.clone());
            prop_oneof![
                (prop::collection::vec(inner, 1..3), select(REPEATS))
                    .prop_map(|(elements, repeats)| Payload::List(elements, repeats)),
                prop::collection::vec(member, 1..6).prop_map(Payload::Object),
            ]
        })
}

/// Bytes of the texts of a part.
fn size(part: &CallbackPart) -> usize {
    let texts = |texts: &[&Option<String>]| {
        texts
            .iter()
            .map(|text| text.as_ref().map_or(0, String::len))
            .sum::<usize>()
    };
    match part {
        CallbackPart::Report(report) => {
            let ids: usize = report.ids.iter().map(|id| id.as_str().len()).sum();
            let pricing = &report.pricing;
            let event = match &report.event {
                Some(ReceiptEvent::Failure(failure)) => {
                    texts(&[&failure.code, &failure.title, &failure.detail, &failure.key])
                }
                Some(ReceiptEvent::Other(word) | ReceiptEvent::Notice(word)) => word.len(),
                _ => 0,
            };
            ids + event
                + texts(&[
                    &report.recipient,
                    &pricing.category,
                    &pricing.model,
                    &pricing.price,
                ])
        }
        CallbackPart::Inbound(inbound) => texts(&[&inbound.sender]),
        CallbackPart::AccountEvent(event) => {
            event.title.len()
                + event.notice.len()
                + texts(&[
                    &event.previous,
                    &event.current,
                    &event.template,
                    &event.sender,
                    &event.detail,
                ])
        }
        CallbackPart::Notice(text) | CallbackPart::Unparseable(text) => text.len(),
        CallbackPart::Probe => 0,
    }
}

/// Of this thread, which other work on the machine does not lengthen. Zero where the system does not have it.
pub(super) fn processor_time() -> Duration {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = spent.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn parts_are_few_and_small_whatever_is_repeated(
        payload in payloads().prop_filter("small enough", |payload| payload.nodes() < NODES)
    ) {
        let sample = callback(payload.json(), Some("application/json"));
        let chosen = CallbackFields {
            id: Some("id".to_owned()),
            error: Some("errors".to_owned()),
            ..CallbackFields::default()
        };
        for provider in ProviderId::ALL {
            for fields in [&CallbackFields::default(), &chosen] {
                let begun = processor_time();
                let parts = parse_callback(get(provider), fields, &sample).parts;
                let took = processor_time().saturating_sub(begun);
                prop_assert!(took < PATIENCE, "{provider}: {took:?}");
                prop_assert!(parts.len() <= PARTS_LIMIT + 1, "{provider}: {} parts", parts.len());
                let largest = parts.iter().map(size).max();
                prop_assert!(largest.is_some_and(|size| size <= PART_SIZE), "{provider}: {largest:?} bytes");
            }
        }
    }
}

/// Seen: the ends of an event's name were compared with the known words, from each of its words on.
#[test]
fn a_name_of_hundreds_of_words_is_read_in_time() {
    const OBJECTS: usize = 200;
    const LIMIT: Duration = Duration::from_secs(2);
    for field in ["event", "type", "field", "status"] {
        for word in REPEATED_WORDS {
            let object = format!("{{\"{field}\":\"{}\"}}", word.repeat(1_000));
            let list = vec![object; OBJECTS].join(",");
            let sample = callback(format!("[{list}]"), Some("application/json"));
            for provider in ProviderId::ALL {
                let begun = processor_time();
                parse_callback(get(provider), &CallbackFields::default(), &sample);
                let took = processor_time().saturating_sub(begun);
                assert!(took < LIMIT, "{provider}, {field}, {word:?}: {took:?}");
            }
        }
    }
}
