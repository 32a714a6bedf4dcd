//! Kaleyra V2 (developers.kaleyra.io, read 2026-11-20) played by us: seven error bodies, ids that differ between reply and callback, references echoed.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::domain::media::MediaKind;
use crate::domain::provider::ProviderId;
use crate::simulator::company::{
    ANSWERS, Call, Company, Dialect, cloud_status, is_address, is_caption, is_digits, read_kind,
};
use crate::simulator::dice::Dice;
use crate::simulator::exchange::Answer;
use crate::simulator::fate::{Event, Happening, Taken};
use crate::simulator::settings::Settings;

/// The company.
pub(crate) struct Kaleyra;

const WABA: &str = "120000034512345";
const PHONE_NUMBER_ID: &str = "104600000000060";

impl Company for Kaleyra {
    fn answer(&self, call: &Call<'_>) -> Answer {
        if let Some(refusal) = refuse_account(call) {
            return refusal;
        }
        let body = call.request.json();
        let Some((kind, number)) = check(call, &body) else {
            let words = "Incorrect payload format";
            return refuse(
                400,
                "WA400",
                "Refer to correct payload format",
                "payload",
                words,
            );
        };
        let settings = &call.settings.kaleyra;
        if settings.balance.is_some_and(|good| call.accepted >= good) {
            let words = "Please check your balance, You have a low balance!";
            return refuse(400, "E110", words, "balance", words);
        }
        if call
            .dice("internal-error")
            .chance(settings.internal_error_share)
        {
            let words = "Internal server error";
            return refuse(500, "WA500", "Please try again later", "error", words);
        }
        accept(call, &body, kind, number)
    }

    fn report(
        &self,
        _settings: &Settings,
        message: &Taken,
        events: &[Event],
        dice: &mut Dice,
    ) -> Dialect {
        let reports: Vec<Value> = events
            .iter()
            .map(|event| report_one(message, event, dice))
            .collect();
        // Ids and references stand outside Meta's object, for one status: several are several callbacks in an array.
        match <[Value; 1]>::try_from(reports) {
            Ok([report]) => Dialect::json(&report),
            Err(reports) => Dialect::json(&Value::Array(reports)),
        }
    }

    fn inbound(
        &self,
        _settings: &Settings,
        message: &Taken,
        at: DateTime<Utc>,
        dice: &mut Dice,
    ) -> Dialect {
        let mut extra = extra_info(message);
        extra["media_url"] = json!("");
        extra["reply_to"] = json!(dice.uuid());
        extra["trace_id"] = json!(dice.uuid());
        Dialect::json(&json!({
            "meta_object": { "value": {
                "messaging_product": "whatsapp",
                "metadata": { "display_phone_number": message.sender, "phone_number_id": PHONE_NUMBER_ID },
                "contacts": [{ "profile": { "name": "Customer" }, "wa_id": message.recipient }],
                "messages": [{
                    "from": message.recipient,
                    "id": dice.wamid(&message.recipient),
                    "timestamp": at.timestamp().to_string(),
                    "type": "text",
                    "text": { "body": dice.pick(&ANSWERS) },
                }],
            }, "field": "messages" },
            "extra_info": extra,
        }))
    }
}

fn report_one(message: &Taken, event: &Event, dice: &mut Dice) -> Value {
    let mut extra = extra_info(message);
    extra["message_id"] = json!(message.second_id);
    if let Happening::NotSent(trouble) = event.happening {
        return json!({
            "code": trouble.code,
            "status": event.happening.word(),
            "reason": trouble.details,
            "message_id": message.wamid,
            "extra_info": extra,
        });
    }
    extra["trace_id"] = json!(dice.uuid());
    let mut callback = json!({
        "meta_object": { "value": {
            "messaging_product": "whatsapp",
            "metadata": { "display_phone_number": message.sender, "phone_number_id": PHONE_NUMBER_ID },
            "statuses": [status(message, event)],
        }, "field": "messages" },
        "extra_info": extra,
        "status": event.happening.word(),
        "message_id": message.wamid,
    });
    if event.happening == Happening::Delivered && opens_conversation(message) {
        callback["price"] = json!(0.7846);
    }
    callback
}

/// Key, SID and sender, in the order in which the real API seems to look at them.
fn refuse_account(call: &Call<'_>) -> Option<Answer> {
    let settings = &call.settings.kaleyra;
    let key = call.request.header("api-key");
    if key == Some(&settings.restricted_api_key) {
        let words = "API is not available for given customer.Please contact support for more info";
        return Some(refuse(401, "WA-401", words, "account", words));
    }
    if key != Some(&settings.api_key) || call.request.segment(1) != settings.sid {
        let words = "Incorrect SID or API key.";
        return Some(Answer::refused(
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

fn refuse(status: u16, code: &str, message: &str, field: &str, words: &str) -> Answer {
    Answer::refused(
        status,
        json!({ "code": code, "message": message, "data": {}, "error": { (field): words } }),
    )
}

/// The kind and the customer's number, if the payload is as documented.
fn check(call: &Call<'_>, body: &Value) -> Option<(MediaKind, String)> {
    let is_json = call
        .request
        .header("content-type")
        .is_some_and(|given| given.starts_with("application/json"));
    let object = &body["messaging_object"];
    if !is_json || object["messaging_product"] != "whatsapp" {
        return None;
    }
    if !matches!(object["recipient_type"].as_str(), None | Some("individual")) {
        return None;
    }
    let number = object["to"].as_str()?.strip_prefix('+')?;
    let kind = read_kind(&object["type"])?;
    let media = &object[kind.as_str()];
    let by_id = media["id"].as_str().is_some_and(|id| !id.is_empty());
    let by_link = is_address(&media["link"]);
    // "Either the id or the link": exactly one.
    let one = by_id != by_link && (media["id"].is_null() || media["link"].is_null());
    let extra = &body["extra_info"];
    let references = ["ref", "ref1", "ref2"]
        .iter()
        .all(|slot| match &extra[slot] {
            Value::Null => true,
            Value::String(text) => text.chars().count() <= 255,
            _ => false,
        });
    let good = is_digits(number) && one && is_caption(&media["caption"]) && references;
    good.then(|| (kind, number.to_owned()))
}

fn accept(call: &Call<'_>, body: &Value, kind: MediaKind, recipient: String) -> Answer {
    let mut dice = call.dice("ids");
    let id = format!(
        "A{}",
        dice.text(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", 19)
    );
    let reply = json!({
        "code": "WA202",
        "message": "Request Accepted",
        "data": { "message_id": id },
        "error": {},
    });
    let media = &body["messaging_object"][kind.as_str()];
    let slot = |name: &str| body["extra_info"][name].as_str().map(str::to_owned);
    let message = Taken {
        provider: ProviderId::Kaleyra,
        ordinal: call.ordinal,
        kind,
        name: None,
        sender: call.request.segment(3).trim_start_matches('+').to_owned(),
        media: media["link"]
            .as_str()
            .or(media["id"].as_str())
            .unwrap_or_default()
            .to_owned(),
        references: [slot("ref"), slot("ref1"), slot("ref2")],
        report_url: None,
        reply_ids: vec![id],
        wamid: dice.wamid(&recipient),
        second_id: dice.wamid(&recipient),
        // One conversation per customer: every message to the same number shares it.
        shared_id: Dice::new(call.settings.seed, "kaleyra", 0, &recipient).hex(32),
        recipient,
        at: call.now,
    };
    Answer::taken(202, reply, message)
}

fn status(message: &Taken, event: &Event) -> Value {
    let mut status = cloud_status(message, event, &message.shared_id);
    let mut conversation = json!({ "id": message.shared_id, "origin": { "type": "marketing" } });
    if event.happening == Happening::Sent {
        let end = (message.at + TimeDelta::hours(24)).timestamp();
        conversation["expiration_timestamp"] = json!(end.to_string());
    }
    if event.happening.trouble().is_none() {
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

/// Whether this message is one of those that open a conversation and so carry a price.
fn opens_conversation(message: &Taken) -> bool {
    message.ordinal % 3 == 1
}

fn extra_info(message: &Taken) -> Value {
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
