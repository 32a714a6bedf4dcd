//! Callbacks with random statuses in the shapes of the providers, which tests write in other notations, and what they report.

use bluetick::domain::callback_fields::CallbackFields;
use bluetick::domain::provider::ProviderId;
use bluetick::providers::{Callback, CallbackPart, Report, get, parse_callback};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::callback;

/// Signs that have a meaning in some notation, and forged statuses.
const WRITTEN: &[&str] = &[
    "\"",
    "'",
    "\\",
    ",",
    ":",
    "{",
    "}",
    "[",
    "]",
    " ",
    "&quot;",
    "&amp;",
    "&#39;",
    "&",
    "<",
    ">",
    "=",
    "+",
    "%7B",
    "%",
    "\n",
    "\r\n",
    "\t",
    "None",
    "Meera",
    "नमस्ते",
    "Zoë",
    "😀",
    "\u{a0}",
    "\"id\":\"wamid.forged\"",
    "','id':'wamid.forged",
    "\",\"id\":\"wamid.forged\",\"status\":\"read",
    "{\"id\":\"wamid.forged\",\"status\":\"read\"}",
    "[{'id': 'wamid.forged', 'status': 'read'}]",
    "&id=wamid.forged&status=read",
    "\nid: wamid.forged\nstatus: read\n",
    "</id><id>wamid.forged</id>",
];

/// What a customer or a provider wrote.
pub(super) fn written_texts() -> impl Strategy<Value = String> {
    let signs = prop::collection::vec(select(WRITTEN), 0..6);
    prop_oneof![
        4 => signs.prop_map(|signs| signs.concat()),
        1 => "\\PC{0,20}",
    ]
}

#[derive(Clone, Debug)]
pub(super) struct Status {
    pub(super) id: String,
    pub(super) word: &'static str,
    pub(super) seconds: i64,
    pub(super) recipient: String,
    /// The customer's.
    pub(super) name: String,
    /// Of the failure.
    pub(super) title: String,
}

pub(super) fn statuses(
    names: impl Strategy<Value = String>,
    titles: impl Strategy<Value = String>,
) -> impl Strategy<Value = Vec<Status>> {
    let status = (
        "wamid\\.[A-Za-z0-9+/]{12,40}={0,2}",
        select(&["sent", "delivered", "read", "failed"][..]),
        1_763_600_000_i64..1_763_600_200,
        "9199701[0-9]{5}",
        names,
        titles,
    );
    let status = status.prop_map(|(id, word, seconds, recipient, name, title)| Status {
        id,
        word,
        seconds,
        recipient,
        name,
        title,
    });
    prop::collection::vec(status, 1..5).prop_filter("different ids", |statuses| {
        let mut ids: Vec<_> = statuses.iter().map(|status| &status.id).collect();
        ids.sort();
        ids.dedup();
        ids.len() == statuses.len()
    })
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// Meta's envelope with a change for each status.
    Envelope(ProviderId),
    /// One change with all statuses.
    Change(ProviderId),
    /// A list of the provider's own flat reports.
    Flat(ProviderId),
}

pub(super) const SHAPES: &[Shape] = &[
    Shape::Envelope(ProviderId::Sobot),
    Shape::Envelope(ProviderId::Kaleyra),
    Shape::Envelope(ProviderId::Zixflow),
    Shape::Change(ProviderId::Sobot),
    Shape::Change(ProviderId::Kaleyra),
    Shape::Flat(ProviderId::Sobot),
    Shape::Flat(ProviderId::Kaleyra),
    Shape::Flat(ProviderId::Zixflow),
];

impl Shape {
    pub(super) fn provider(self) -> ProviderId {
        match self {
            Self::Envelope(provider) | Self::Change(provider) | Self::Flat(provider) => provider,
        }
    }

    pub(super) fn document(self, statuses: &[Status]) -> Value {
        let changes = |statuses: &[Status]| {
            json!({ "field": "messages", "value": {
                "messaging_product": "whatsapp",
                "metadata": { "display_phone_number": "447700900999", "phone_number_id": "104000000000088" },
                "contacts": statuses.iter().map(|it| json!({ "profile": { "name": it.name }, "wa_id": it.recipient })).collect::<Vec<_>>(),
                "statuses": statuses.iter().map(|it| self.status(it)).collect::<Vec<_>>() } })
        };
        match self {
            Self::Envelope(_) => {
                let changes: Vec<Value> = statuses
                    .iter()
                    .map(|it| changes(std::slice::from_ref(it)))
                    .collect();
                json!({ "object": "whatsapp_business_account",
                    "entry": [{ "id": "104000000000077", "changes": changes }] })
            }
            Self::Change(_) => json!([changes(statuses)]),
            Self::Flat(_) => statuses.iter().map(|it| self.status(it)).collect(),
        }
    }

    /// The names of id, status, time, and recipient.
    pub(super) fn names(self) -> [&'static str; 4] {
        match self {
            Self::Flat(ProviderId::Kaleyra) => ["message_id", "status", "created_at", "mobile"],
            Self::Flat(ProviderId::Zixflow) => ["messageId", "deliveryStatus", "timestamp", "to"],
            _ => ["id", "status", "timestamp", "recipient_id"],
        }
    }

    fn status(self, status: &Status) -> Value {
        let [id, word, time, recipient] = self.names();
        let mut object =
            json!({ id: status.id, word: status.word, time: status.seconds.to_string() });
        if let Self::Flat(_) = self {
            object["name"] = json!(status.name);
        }
        object[recipient] = json!(status.recipient);
        if status.word == "failed" {
            object["errors"] = json!([{ "code": 131_026, "title": status.title,
                "error_data": { "details": "Not on WhatsApp" } }]);
        }
        object
    }
}

pub(super) fn post(body: impl Into<Vec<u8>>) -> Callback {
    callback(body, None)
}

/// What a callback reports, the same in every attempt.
pub(super) fn reports(provider: ProviderId, callback: &Callback) -> Vec<Report> {
    let parse = || parse_callback(get(provider), &CallbackFields::default(), callback);
    let found = parse();
    assert_eq!(found, parse());
    let report = |part| match part {
        CallbackPart::Report(report) => Some(report),
        _ => None,
    };
    found.parts.into_iter().filter_map(report).collect()
}

/// What the statuses report as plain JSON.
pub(super) fn expected(shape: Shape, statuses: &[Status]) -> Vec<Report> {
    let found = reports(
        shape.provider(),
        &post(shape.document(statuses).to_string()),
    );
    assert_eq!(found.len(), statuses.len(), "{shape:?}");
    for (report, status) in found.iter().zip(statuses) {
        assert_eq!(report.ids[0].as_str(), status.id);
        assert_eq!(report.recipient.as_ref(), Some(&status.recipient));
    }
    found
}
