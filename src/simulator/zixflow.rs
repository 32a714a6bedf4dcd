//! Simulates Zixflow's campaign API (docs.zixflow.com, read 2026-11-20): replies that may lack any
//! id, status callbacks to each message's `reportURL`.
//!
//! Zixflow does not publish the payload of its callbacks; this one follows our constructed sample.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::domain::media::MediaKind;
use crate::domain::provider::ProviderId;
use crate::simulator::event_plan::{AcceptedMessage, PlannedEvent};
use crate::simulator::exchange::ApiReply;
use crate::simulator::seeded_rng::SeededRng;
use crate::simulator::settings::Settings;
use crate::simulator::simulated_provider::{
    ApiCall, CUSTOMER_REPLIES, CallbackBody, SimulatedProvider, is_caption, is_digits, is_http_url,
    parse_kind,
};

pub(crate) struct SimulatedZixflow;

impl SimulatedProvider for SimulatedZixflow {
    fn reply(&self, call: &ApiCall<'_>) -> ApiReply {
        match call.request.bearer() {
            None => return refuse(401, "No token provided"),
            Some(token) if token != call.settings.zixflow.token => {
                return refuse(401, "Unauthorised");
            }
            Some(_) => {}
        }
        let body = call.request.json();
        let checked = if call.request.path.ends_with("/message/send") {
            check(call.settings, &body)
        } else {
            check_template(call.settings, &body)
        };
        match checked {
            Some((kind, number)) => accept(call, &body, kind, number),
            None => refuse(400, "Invalid data Provided"),
        }
    }

    fn report(
        &self,
        settings: &Settings,
        message: &AcceptedMessage,
        events: &[PlannedEvent],
        rng: &mut SeededRng,
    ) -> CallbackBody {
        let mut reports: Vec<Map<String, Value>> = events
            .iter()
            .map(|event| report_one(settings, message, event))
            .collect();
        match (reports.len(), reports.pop()) {
            (1, Some(report)) if rng.chance(settings.zixflow.form_report_share) => form(&report),
            (1, Some(report)) => CallbackBody::json(&Value::Object(report)),
            (_, last) => {
                reports.extend(last);
                CallbackBody::json(&json!(reports))
            }
        }
    }

    fn inbound(
        &self,
        settings: &Settings,
        message: &AcceptedMessage,
        at: DateTime<Utc>,
        rng: &mut SeededRng,
    ) -> CallbackBody {
        CallbackBody::json(&json!({
            "event": "incoming.whatsapp.message",
            "eventId": rng.uuid(),
            "timestamp": at.timestamp_millis(),
            "phoneId": settings.zixflow.phone_id,
            "wabaId": "120000000000266",
            "messageId": rng.wamid(&message.recipient),
            "sender": { "name": "Customer", "number": message.recipient },
            "message": { "type": "text", "text": { "body": rng.pick(&CUSTOMER_REPLIES) } },
        }))
    }
}

fn report_one(
    settings: &Settings,
    message: &AcceptedMessage,
    event: &PlannedEvent,
) -> Map<String, Value> {
    let mut report = Map::new();
    let mut add = |key: &str, value: Value| report.insert(key.to_owned(), value);
    add("campaignId", json!(message.shared_id));
    add("messageId", json!(message.second_id));
    add("wamid", json!(message.wamid));
    add("phoneId", json!(settings.zixflow.phone_id));
    add("to", json!(message.recipient));
    add("status", json!(event.kind.word()));
    if let Some(at) = event.at {
        add("timestamp", json!(at.timestamp_millis()));
    }
    if let Some(reason) = event.kind.reason() {
        add("errorCode", json!(reason.code));
        add(
            "remark",
            json!(format!("(#{}) {}", reason.code, reason.title)),
        );
    }
    report
}

fn form(report: &Map<String, Value>) -> CallbackBody {
    let mut writer = form_urlencoded::Serializer::new(String::new());
    for (key, value) in report {
        match value {
            Value::String(text) => writer.append_pair(key, text),
            other => writer.append_pair(key, &other.to_string()),
        };
    }
    CallbackBody {
        content_type: "application/x-www-form-urlencoded",
        body: writer.finish().into_bytes(),
    }
}

fn check(settings: &Settings, body: &Value) -> Option<(MediaKind, String)> {
    let kind = parse_kind(&body["type"])?;
    let media = &body[kind.as_str()];
    let is_valid = is_http_url(&media["link"]) && is_caption(&media["caption"]);
    let number = is_valid.then(|| check_common(settings, body))??;
    Some((kind, number))
}

/// The header's variable has the key `image` or `video`.
fn check_template(settings: &Settings, body: &Value) -> Option<(MediaKind, String)> {
    let variables = body["variables"].as_object()?;
    let kind = MediaKind::ALL
        .into_iter()
        .find(|kind| variables.get(kind.as_str()).is_some_and(is_http_url))?;
    let is_filled = |name: &str| body[name].as_str().is_some_and(|text| !text.is_empty());
    let is_valid = is_filled("templateName")
        && is_filled("language")
        && variables.values().all(Value::is_string);
    let number = is_valid.then(|| check_common(settings, body))??;
    Some((kind, number))
}

/// The recipient, if what both kinds of requests contain is valid.
fn check_common(settings: &Settings, body: &Value) -> Option<String> {
    let number = body["to"].as_str()?;
    let is_absent_or = |key: &str, fits: fn(&Value) -> bool| {
        let value = &body[key];
        value.is_null() || fits(value)
    };
    let is_valid = is_digits(number)
        && body["phoneId"] == settings.zixflow.phone_id
        && is_absent_or("source", Value::is_string)
        && is_absent_or("linkWithRecord", Value::is_boolean)
        && is_absent_or("submissionStatus", Value::is_boolean)
        && is_absent_or("reportURL", is_http_url);
    is_valid.then(|| number.to_owned())
}

fn accept(call: &ApiCall<'_>, body: &Value, kind: MediaKind, recipient: String) -> ApiReply {
    let mut rng = call.rng("ids");
    let (campaign, id) = (rng.hex(24), rng.hex(24));
    let wants_ids = body["submissionStatus"] == true;
    let has_ids = wants_ids
        && !call
            .rng("bare-reply")
            .chance(call.settings.zixflow.reply_without_id_share);
    let reply = if has_ids {
        json!({ "status": true, "message": "WhatsApp sent successfully!", "campaignId": campaign, "messageId": id })
    } else {
        json!({ "status": true, "message": "Message sent successfully" })
    };
    let link = match &body[kind.as_str()]["link"] {
        Value::Null => &body["variables"][kind.as_str()],
        link => link,
    };
    let message = AcceptedMessage {
        provider: ProviderId::Zixflow,
        ordinal: call.ordinal,
        kind,
        name: None,
        sender: call.settings.zixflow.phone_id.clone(),
        media: link.as_str().unwrap_or_default().to_owned(),
        references: Default::default(),
        report_url: body["reportURL"].as_str().map(str::to_owned),
        reply_ids: if has_ids {
            vec![id.clone()]
        } else {
            Vec::new()
        },
        wamid: rng.wamid(&recipient),
        second_id: id,
        shared_id: campaign,
        recipient,
        at: call.now,
    };
    ApiReply::accepted(200, reply, message)
}

fn refuse(status: u16, words: &str) -> ApiReply {
    ApiReply::refused(status, json!({ "status": false, "message": words }))
}
