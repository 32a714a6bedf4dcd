//! Simulates Sobot (docs.sobot.in, read 2026-11-20): `POST /message/`, flat status callbacks that
//! are posted once, inbound arrays.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::domain::media::MediaKind;
use crate::domain::provider::ProviderId;
use crate::simulator::event_plan::{AcceptedMessage, PlannedEvent};
use crate::simulator::exchange::ApiReply;
use crate::simulator::seeded_rng::SeededRng;
use crate::simulator::settings::{RefusalStatus, Settings};
use crate::simulator::simulated_provider::{
    ApiCall, CUSTOMER_REPLIES, CallbackBody, SimulatedProvider, cloud_errors, cloud_status,
    is_caption, is_digits, is_http_url, parse_kind,
};
use crate::simulator::template_header::read_header;

pub(crate) struct SimulatedSobot;

impl SimulatedProvider for SimulatedSobot {
    fn reply(&self, call: &ApiCall<'_>) -> ApiReply {
        let account = &call.settings.sobot;
        let request = call.request;
        if request.header("x-api-key") != Some(&account.api_key)
            || request.header("x-api-secret") != Some(&account.api_secret)
        {
            return refuse(call, 401, "Invalid API key or secret");
        }
        let body = request.json();
        let checked = if body["template_name"].is_null() {
            check(&body)
        } else {
            check_template(&body)
        };
        match checked {
            Ok((kind, number)) => accept(call, kind, &number),
            Err(message) => refuse(call, 400, message),
        }
    }

    fn report(
        &self,
        settings: &Settings,
        message: &AcceptedMessage,
        events: &[PlannedEvent],
        _rng: &mut SeededRng,
    ) -> CallbackBody {
        let [event] = events else {
            return CallbackBody::json(&wrap_in_changes(settings, message, events));
        };
        let mut status = json!({ "id": message.wamid, "status": event.kind.word() });
        if let Some(at) = event.at {
            status["timestamp"] = json!(at.timestamp().to_string());
        }
        if let Some(errors) = cloud_errors(event) {
            status["errors"] = errors;
        }
        CallbackBody::json(&status)
    }

    fn inbound(
        &self,
        settings: &Settings,
        message: &AcceptedMessage,
        at: DateTime<Utc>,
        rng: &mut SeededRng,
    ) -> CallbackBody {
        let mut inbound_message = json!({
            "from": message.recipient,
            "id": rng.wamid(&message.recipient),
            "timestamp": at.timestamp().to_string(),
        });
        if rng.chance(0.3) {
            // As documented: the media of a video is under `image`.
            inbound_message["type"] = json!("video");
            let id = rng.text(b"0123456789", 15);
            inbound_message["image"] = json!({
                "mime_type": "video/mp4",
                "id": id,
                "url": format!("https://assets.sobot.example/videos/{id}"),
            });
        } else {
            inbound_message["text"] = json!({ "body": rng.pick(&CUSTOMER_REPLIES) });
            inbound_message["type"] = json!("text");
        }
        CallbackBody::json(&json!([{
            "value": {
                "messaging_product": "whatsapp",
                "metadata": { "display_phone_number": settings.sobot.number },
                "contacts": [{ "profile": { "name": message.name }, "wa_id": message.recipient }],
                "messages": [inbound_message],
            },
            "field": "messages",
        }]))
    }
}

/// Several statuses at once, each in an envelope of the Cloud API, as Sobot wraps inbound messages.
fn wrap_in_changes(
    settings: &Settings,
    message: &AcceptedMessage,
    events: &[PlannedEvent],
) -> Value {
    let changes: Vec<Value> = events
        .iter()
        .map(|event| {
            json!({
                "value": {
                    "messaging_product": "whatsapp",
                    "metadata": { "display_phone_number": settings.sobot.number },
                    "statuses": [cloud_status(message, event, &message.wamid)],
                },
                "field": "messages",
            })
        })
        .collect();
    Value::Array(changes)
}

fn check(body: &Value) -> Result<(MediaKind, String), &'static str> {
    if !body.is_object() {
        return Err("Invalid request body");
    }
    let kind = parse_kind(&body["type"]).ok_or("Invalid message type")?;
    if !is_http_url(&body["url"]) {
        return Err("Invalid media url");
    }
    // The documentation has `video/3gp`, not the registered `video/3gpp`.
    let known: &[&str] = match kind {
        MediaKind::Image => &["image/jpeg", "image/png"],
        MediaKind::Video => &["video/mp4", "video/3gp"],
    };
    if !body["mime_type"]
        .as_str()
        .is_some_and(|given| known.contains(&given))
    {
        return Err("Invalid mime type");
    }
    let number = body["customer_number"].as_str().unwrap_or_default();
    if !is_digits(number) {
        return Err("Invalid mobile number");
    }
    if body["customer_name"].as_str().is_none_or(str::is_empty) {
        return Err("Customer name is required");
    }
    if !is_caption(&body["caption"]) {
        return Err("Caption is too long");
    }
    Ok((kind, number.to_owned()))
}

fn check_template(body: &Value) -> Result<(MediaKind, String), &'static str> {
    if !["template_name", "template_lang"]
        .iter()
        .all(|name| body[name].as_str().is_some_and(|text| !text.is_empty()))
    {
        return Err("Template name and language are required");
    }
    let header = read_header(&body["params"]).ok_or("Invalid template parameters")?;
    if header.id.is_some() {
        return Err("Invalid media url");
    }
    let number = body["customer_number"].as_str().unwrap_or_default();
    if !is_digits(number) {
        return Err("Invalid mobile number");
    }
    if body["customer_name"].as_str().is_none_or(str::is_empty) {
        return Err("Customer name is required");
    }
    Ok((header.kind, number.to_owned()))
}

fn accept(call: &ApiCall<'_>, kind: MediaKind, number: &str) -> ApiReply {
    let body = call.request.json();
    let account = &call.settings.sobot;
    // Documented: a number without country code gets that of the sender number.
    let recipient = if number.len() <= 10 {
        let country_code_digits = account.number.len().saturating_sub(10);
        format!("{}{number}", &account.number[..country_code_digits])
    } else {
        number.to_owned()
    };
    let wamid = call.rng("ids").wamid(&recipient);
    let reply = json!({
        "data": { "id": wamid, "status": "submitted" },
        "message": "Message sent successfully.",
        "code": 200,
    });
    let message = AcceptedMessage {
        provider: ProviderId::Sobot,
        ordinal: call.ordinal,
        kind,
        recipient,
        name: body["customer_name"].as_str().map(str::to_owned),
        sender: account.number.clone(),
        media: match read_header(&body["params"]) {
            Some(header) => header.link.unwrap_or_default(),
            None => body["url"].as_str().unwrap_or_default().to_owned(),
        },
        references: Default::default(),
        report_url: None,
        reply_ids: vec![wamid.clone()],
        second_id: wamid.clone(),
        shared_id: String::new(),
        wamid,
        at: call.now,
    };
    ApiReply::accepted(200, reply, message)
}

fn refuse(call: &ApiCall<'_>, code: u16, message: &str) -> ApiReply {
    let status = match call.settings.sobot.refusal_status {
        RefusalStatus::SameAsCode => code,
        RefusalStatus::AlwaysOk => 200,
    };
    ApiReply::refused(status, json!({ "message": message, "code": code }))
}
