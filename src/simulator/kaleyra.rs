//! Simulates Kaleyra V2 (developers.kaleyra.io, read 2026-11-20): seven error bodies, different ids
//! in reply and callback, echoed references.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::domain::media::MediaKind;
use crate::domain::provider::ProviderId;
use crate::simulator::event_plan::{AcceptedMessage, EventKind, PlannedEvent};
use crate::simulator::exchange::ApiReply;
use crate::simulator::seeded_rng::SeededRng;
use crate::simulator::settings::Settings;
use crate::simulator::simulated_provider::{
    ApiCall, CUSTOMER_REPLIES, CallbackBody, SimulatedProvider, cloud_status, is_caption,
    is_digits, is_http_url, parse_kind,
};
use crate::simulator::template_header::{TemplateHeader, read_header};

pub(crate) struct SimulatedKaleyra;

const WABA: &str = "120000034512345";
const PHONE_NUMBER_ID: &str = "104600000000060";

impl SimulatedProvider for SimulatedKaleyra {
    fn reply(&self, call: &ApiCall<'_>) -> ApiReply {
        if let Some(refusal) = refuse_account(call) {
            return refusal;
        }
        let body = call.request.json();
        let Some((kind, number)) = check(call, &body) else {
            let message = "Refer to correct payload format";
            let words = "Incorrect payload format";
            return refuse(400, "WA400", message, "payload", words);
        };
        let settings = &call.settings.kaleyra;
        if settings.balance.is_some_and(|limit| call.accepted >= limit) {
            let words = "Please check your balance, You have a low balance!";
            return refuse(400, "E110", words, "balance", words);
        }
        let mut rng = call.rng("internal-error");
        if rng.chance(settings.internal_error_share) {
            let words = "Internal server error";
            return refuse(500, "WA500", "Please try again later", "error", words);
        }
        accept(call, &body, kind, number)
    }

    fn report(
        &self,
        _settings: &Settings,
        message: &AcceptedMessage,
        events: &[PlannedEvent],
        rng: &mut SeededRng,
    ) -> CallbackBody {
        let reports: Vec<Value> = events
            .iter()
            .map(|event| report_one(message, event, rng))
            .collect();
        // Ids and references are outside Meta's object, for one status each, so several statuses
        // are an array of callbacks.
        match <[Value; 1]>::try_from(reports) {
            Ok([report]) => CallbackBody::json(&report),
            Err(reports) => CallbackBody::json(&Value::Array(reports)),
        }
    }

    fn inbound(
        &self,
        _settings: &Settings,
        message: &AcceptedMessage,
        at: DateTime<Utc>,
        rng: &mut SeededRng,
    ) -> CallbackBody {
        let mut extra = extra_info(message);
        extra["media_url"] = json!("");
        extra["reply_to"] = json!(rng.uuid());
        extra["trace_id"] = json!(rng.uuid());
        CallbackBody::json(&json!({
            "meta_object": { "value": {
                "messaging_product": "whatsapp",
                "metadata": { "display_phone_number": message.sender, "phone_number_id": PHONE_NUMBER_ID },
                "contacts": [{ "profile": { "name": "Customer" }, "wa_id": message.recipient }],
                "messages": [{
                    "from": message.recipient,
                    "id": rng.wamid(&message.recipient),
                    "timestamp": at.timestamp().to_string(),
                    "type": "text",
                    "text": { "body": rng.pick(&CUSTOMER_REPLIES) },
                }],
            }, "field": "messages" },
            "extra_info": extra,
        }))
    }
}

fn report_one(message: &AcceptedMessage, event: &PlannedEvent, rng: &mut SeededRng) -> Value {
    let mut extra = extra_info(message);
    extra["message_id"] = json!(message.second_id);
    if let EventKind::NotSent(reason) = event.kind {
        return json!({
            "code": reason.code,
            "status": event.kind.word(),
            "reason": reason.details,
            "message_id": message.wamid,
            "extra_info": extra,
        });
    }
    extra["trace_id"] = json!(rng.uuid());
    let mut callback = json!({
        "meta_object": { "value": {
            "messaging_product": "whatsapp",
            "metadata": { "display_phone_number": message.sender, "phone_number_id": PHONE_NUMBER_ID },
            "statuses": [status(message, event)],
        }, "field": "messages" },
        "extra_info": extra,
        "status": event.kind.word(),
        "message_id": message.wamid,
    });
    if event.kind == EventKind::Delivered && opens_conversation(message) {
        callback["price"] = json!(0.7846);
    }
    callback
}

/// Checks key, SID and sender, in the order that the real API seems to use.
fn refuse_account(call: &ApiCall<'_>) -> Option<ApiReply> {
    let settings = &call.settings.kaleyra;
    let key = call.request.header("api-key");
    if key == Some(&settings.restricted_api_key) {
        let words = "API is not available for given customer.Please contact support for more info";
        return Some(refuse(401, "WA-401", words, "account", words));
    }
    if key != Some(&settings.api_key) || call.request.segment(1) != settings.sid {
        let words = "Incorrect SID or API key.";
        return Some(ApiReply::refused(
            401,
            json!({ "code": "RBC001", "message": words, "data": [], "error": { "error": words } }),
        ));
    }
    let sender = call.request.segment(3);
    let same = |known: &String| known.trim_start_matches('+') == sender.trim_start_matches('+');
    if settings.older_senders.iter().any(same) {
        let words = "The phone number you're using is associated with different Version of our WA API. Please use the appropriate endpoint.";
        return Some(refuse(401, "WA-401", words, "phone_number", words));
    }
    if !settings.senders.iter().any(same) {
        let words = "Phone number is not present or does not belong to the account.";
        return Some(refuse(401, "WA401", words, "phone_number", words));
    }
    None
}

fn refuse(status: u16, code: &str, message: &str, field: &str, words: &str) -> ApiReply {
    ApiReply::refused(
        status,
        json!({ "code": code, "message": message, "data": {}, "error": { (field): words } }),
    )
}

/// Kind and recipient, if the payload is valid.
fn check(call: &ApiCall<'_>, body: &Value) -> Option<(MediaKind, String)> {
    let content_type = call.request.header("content-type")?;
    let object = &body["messaging_object"];
    let is_to_one = matches!(object["recipient_type"].as_str(), None | Some("individual"));
    if !content_type.starts_with("application/json")
        || object["messaging_product"] != "whatsapp"
        || !is_to_one
    {
        return None;
    }
    let number = object["to"].as_str()?.strip_prefix('+')?;
    let (kind, caption) = if object["type"] == "template" {
        (template_header(object)?.kind, &Value::Null)
    } else {
        let kind = parse_kind(&object["type"])?;
        let media = &object[kind.as_str()];
        let by_id = media["id"].as_str().is_some_and(|id| !id.is_empty());
        let by_link = is_http_url(&media["link"]);
        // The documentation requires exactly one of id and link.
        if by_id == by_link || !(media["id"].is_null() || media["link"].is_null()) {
            return None;
        }
        (kind, &media["caption"])
    };
    let extra = &body["extra_info"];
    let is_reference = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.chars().count() <= 255,
        _ => false,
    };
    let is_valid = is_digits(number)
        && is_caption(caption)
        && ["ref", "ref1", "ref2"]
            .iter()
            .all(|slot| is_reference(&extra[slot]));
    is_valid.then(|| (kind, number.to_owned()))
}

fn template_header(object: &Value) -> Option<TemplateHeader> {
    let template = &object["template"];
    let name = template["name"].as_str().filter(|name| !name.is_empty());
    name.and(template["language"]["code"].as_str())?;
    read_header(&template["components"])
}

fn accept(call: &ApiCall<'_>, body: &Value, kind: MediaKind, recipient: String) -> ApiReply {
    let mut rng = call.rng("ids");
    let id = format!("A{}", rng.text(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", 19));
    let reply = json!({
        "code": "WA202",
        "message": "Request Accepted",
        "data": { "message_id": id },
        "error": {},
    });
    let object = &body["messaging_object"];
    let media = &object[kind.as_str()];
    let link_or_id = match template_header(object) {
        Some(header) => header.link.or(header.id),
        None => media["link"]
            .as_str()
            .or(media["id"].as_str())
            .map(str::to_owned),
    };
    let slot = |name: &str| body["extra_info"][name].as_str().map(str::to_owned);
    let message = AcceptedMessage {
        provider: ProviderId::Kaleyra,
        ordinal: call.ordinal,
        kind,
        name: None,
        sender: call.request.segment(3).trim_start_matches('+').to_owned(),
        media: link_or_id.unwrap_or_default(),
        references: [slot("ref"), slot("ref1"), slot("ref2")],
        report_url: None,
        reply_ids: vec![id],
        wamid: rng.wamid(&recipient),
        second_id: rng.wamid(&recipient),
        // One conversation per customer: all messages to a number share it.
        shared_id: SeededRng::new(call.settings.seed, "kaleyra", 0, &recipient).hex(32),
        recipient,
        at: call.now,
    };
    ApiReply::accepted(202, reply, message)
}

fn status(message: &AcceptedMessage, event: &PlannedEvent) -> Value {
    let mut status = cloud_status(message, event, &message.shared_id);
    let mut conversation = json!({ "id": message.shared_id, "origin": { "type": "marketing" } });
    if event.kind == EventKind::Sent {
        let end = (message.at + TimeDelta::hours(24)).timestamp();
        conversation["expiration_timestamp"] = json!(end.to_string());
    }
    if event.kind.reason().is_none() {
        status.insert("conversation".to_owned(), conversation);
        status.insert(
            "pricing".to_owned(),
            json!({
                "billable": opens_conversation(message),
                "pricing_model": "Conversation-Based Pricing",
                "category": "marketing",
            }),
        );
    }
    Value::Object(status)
}

/// Whether this message opens a conversation and therefore has a price.
fn opens_conversation(message: &AcceptedMessage) -> bool {
    message.ordinal % 3 == 1
}

fn extra_info(message: &AcceptedMessage) -> Value {
    let [reference, reference1, reference2] = &message.references;
    json!({
        "waba_id": WABA,
        "ref": reference.as_deref().unwrap_or_default(),
        "ref1": reference1.as_deref().unwrap_or_default(),
        "ref2": reference2.as_deref().unwrap_or_default(),
        "enable_url_tracking_body": false,
        "enable_url_tracking_button": false,
    })
}
