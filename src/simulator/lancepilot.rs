//! Simulates LancePilot (api.lancepilot.com, read 2026-11-20): `data: {}` in every reply, uploads
//! with real limits, an outgoing event and status events with ids that no reply contained.
//!
//! LancePilot's webhooks are undocumented: outgoing and inbound events follow what a public
//! consumer parses, the status event is our assumption.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use crate::domain::media::{CAPTION_LIMIT, MediaKind, mime_type_of_extension};
use crate::domain::provider::ProviderId;
use crate::simulator::event_plan::{AcceptedMessage, EventKind, PlannedEvent};
use crate::simulator::exchange::{ApiReply, MultipartForm, UploadedFile};
use crate::simulator::seeded_rng::SeededRng;
use crate::simulator::settings::Settings;
use crate::simulator::simulated_provider::{
    ApiCall, CUSTOMER_REPLIES, CallbackBody, SimulatedProvider, is_digits, is_http_url,
};

pub(crate) struct SimulatedLancePilot;

impl SimulatedProvider for SimulatedLancePilot {
    fn reply(&self, call: &ApiCall<'_>) -> ApiReply {
        let settings = &call.settings.lancepilot;
        let request = call.request;
        if request.bearer() != Some(&settings.token) {
            return ApiReply::refused(401, json!({ "message": "Unauthenticated." }));
        }
        // api/v3/workspaces/{3}/contacts/number/{6}/messages/{8} or …/{6}/template-messages
        let is_template = request.segment(7) == "template-messages";
        let kind = if is_template {
            // The real API knows the kind of the template's header from its id.
            Ok(kind_of_file(
                &request.json()["template_data"]["header"]["file"],
            ))
        } else {
            request.segment(8).parse::<MediaKind>()
        };
        let (true, Ok(kind)) = (request.segment(3) == settings.workspace, kind) else {
            return ApiReply::refused(
                404,
                json!({ "message": "Resource not found.", "status": 404 }),
            );
        };
        let errors = if is_template {
            check_template(call)
        } else {
            check(call, kind)
        };
        if errors.is_empty() {
            accept(call, kind)
        } else {
            let body = json!({ "message": "Validation error", "errors": errors });
            ApiReply::refused(422, body)
        }
    }

    fn report(
        &self,
        settings: &Settings,
        message: &AcceptedMessage,
        events: &[PlannedEvent],
        _rng: &mut SeededRng,
    ) -> CallbackBody {
        let Some((last, earlier)) = events.split_last() else {
            return CallbackBody::json(&json!({}));
        };
        if last.kind == EventKind::Echo {
            return CallbackBody::json(&echo(settings, message));
        }
        let mut attributes = status(message, last);
        if !earlier.is_empty() {
            let all: Vec<Value> = events
                .iter()
                .map(|event| Value::Object(status(message, event)))
                .collect();
            attributes = Map::new();
            attributes.insert("wamid".to_owned(), json!(message.wamid));
            attributes.insert("to".to_owned(), json!(format!("+{}", message.recipient)));
            attributes.insert("statuses".to_owned(), json!(all));
        }
        CallbackBody::json(&json!({
            "event": "message.status",
            "data": {
                "type": "messages",
                "id": message.second_id,
                "attributes": attributes,
                "relationships": contact(message),
            },
        }))
    }

    fn inbound(
        &self,
        settings: &Settings,
        message: &AcceptedMessage,
        at: DateTime<Utc>,
        rng: &mut SeededRng,
    ) -> CallbackBody {
        CallbackBody::json(&json!({
            "event": "message.incoming",
            "data": {
                "type": "messages",
                "id": rng.uuid(),
                "attributes": {
                    "source": "contact",
                    "from": format!("+{}", message.recipient),
                    "to": format!("+{}", settings.lancepilot.number),
                    "message": { "type": "text", "text": { "body": rng.pick(&CUSTOMER_REPLIES) } },
                    "created_at": laravel_time(at),
                },
                "relationships": contact(message),
            },
        }))
    }
}

fn echo(settings: &Settings, message: &AcceptedMessage) -> Value {
    json!({
        "event": "message.outgoing",
        "data": {
            "type": "messages",
            "id": message.second_id,
            "attributes": {
                "source": "api",
                "from": format!("+{}", settings.lancepilot.number),
                "to": format!("+{}", message.recipient),
                "message": {
                    "type": message.kind.as_str(),
                    (message.kind.as_str()): { "value": message.media },
                },
            },
            "relationships": contact(message),
        },
    })
}

fn status(message: &AcceptedMessage, event: &PlannedEvent) -> Map<String, Value> {
    let mut attributes = Map::new();
    let mut add = |key: &str, value: Value| attributes.insert(key.to_owned(), value);
    add("wamid", json!(message.wamid));
    add("status", json!(event.kind.word()));
    add("to", json!(format!("+{}", message.recipient)));
    if let Some(at) = event.at {
        add("updated_at", json!(laravel_time(at)));
    }
    if let Some(reason) = event.kind.reason() {
        let error =
            json!({ "code": reason.code, "title": reason.title, "details": reason.details });
        add("errors", json!([error]));
    }
    attributes
}

fn contact(message: &AcceptedMessage) -> Value {
    json!({ "contact": { "attributes": { "number": message.recipient } } })
}

/// Laravel's format: microseconds and `Z`.
fn laravel_time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Validation errors by field.
fn check(call: &ApiCall<'_>, kind: MediaKind) -> Map<String, Value> {
    let mut errors = Map::new();
    let mut add = |field: &str, words: String| errors.insert(field.to_owned(), json!([words]));
    if !is_digits(&call.request.segment(6)) {
        add("number", "The number field format is invalid.".to_owned());
    }
    let body = call.request.json();
    let file = match call.form {
        Some(form) => check_upload(form, kind),
        None => check_url(&body["file"]),
    };
    if let Err(words) = file {
        add("file", words);
    }
    let caption = match call.form {
        Some(form) => form
            .fields
            .iter()
            .find(|(name, _)| name == "caption")
            .map_or(Value::Null, |(_, text)| json!(text)),
        None => body["caption"].clone(),
    };
    match caption {
        Value::Null => {}
        Value::String(text) if text.chars().count() <= CAPTION_LIMIT => {}
        Value::String(_) => {
            let words =
                format!("The caption field must not be greater than {CAPTION_LIMIT} characters.");
            add("caption", words);
        }
        _ => {
            add("caption", "The caption field must be a string.".to_owned());
        }
    }
    errors
}

fn kind_of_file(file: &Value) -> MediaKind {
    let name = file.as_str().unwrap_or_default();
    match mime_type_of_extension(name) {
        Some(kind) if kind.starts_with("video/") => MediaKind::Video,
        _ => MediaKind::Image,
    }
}

/// Validation errors of a template message, by field.
fn check_template(call: &ApiCall<'_>) -> Map<String, Value> {
    let mut errors = Map::new();
    let mut add = |field: &str, words: String| errors.insert(field.to_owned(), json!([words]));
    let body = call.request.json();
    if !is_digits(&call.request.segment(6)) {
        add("number", "The number field format is invalid.".to_owned());
    }
    if body["template_id"].as_u64().is_none_or(|id| id == 0) {
        let words = "The template id field must be an integer.";
        add("template_id", words.to_owned());
    }
    let data = &body["template_data"];
    if let Err(words) = check_url(&data["header"]["file"]) {
        add("template_data.header.file", words);
    }
    let variables = data["body"]["variables"].as_array();
    if variables.is_some_and(|values| values.len() > 20) {
        let words = "The template data.body.variables field must not have more than 20 items.";
        add("template_data.body.variables", words.to_owned());
    }
    errors
}

fn check_url(file: &Value) -> Result<(), String> {
    match file {
        Value::Null => Err("The file field is required.".to_owned()),
        Value::String(text) if text.is_empty() => Err("The file field is required.".to_owned()),
        address if is_http_url(address) => Ok(()),
        _ => Err("The file field must be a valid URL.".to_owned()),
    }
}

fn check_upload(form: &MultipartForm, kind: MediaKind) -> Result<(), String> {
    let file = form
        .file
        .as_ref()
        .ok_or_else(|| "The file field is required.".to_owned())?;
    let (kibibytes, list) = match kind {
        MediaKind::Image => (5120, "jpg, png"),
        MediaKind::Video => (16384, "mp4, 3gp"),
    };
    if !has_type(file, kind) {
        return Err(format!("The file field must be a file of type: {list}."));
    }
    if file.size > kibibytes * 1024 {
        return Err(format!(
            "The file field must not be greater than {kibibytes} kilobytes."
        ));
    }
    Ok(())
}

fn has_type(file: &UploadedFile, kind: MediaKind) -> bool {
    let name = file.name.to_ascii_lowercase();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let mime_type = file.mime_type.as_str();
    match kind {
        MediaKind::Image => {
            matches!(mime_type, "image/jpeg" | "image/png")
                && matches!(extension, "jpg" | "jpeg" | "png")
        }
        MediaKind::Video => {
            matches!(mime_type, "video/mp4" | "video/3gpp" | "video/3gp")
                && matches!(extension, "mp4" | "3gp")
        }
    }
}

fn accept(call: &ApiCall<'_>, kind: MediaKind) -> ApiReply {
    let recipient = call.request.segment(6);
    let mut rng = call.rng("ids");
    let id = rng.uuid().to_string();
    let body = call.request.json();
    let file = body["file"]
        .as_str()
        .or(body["template_data"]["header"]["file"].as_str());
    let media = file.map_or_else(
        || format!("https://media.lancepilot.example/{id}"),
        str::to_owned,
    );
    let message = AcceptedMessage {
        provider: ProviderId::LancePilot,
        ordinal: call.ordinal,
        kind,
        name: None,
        sender: call.settings.lancepilot.number.clone(),
        media,
        references: Default::default(),
        report_url: None,
        reply_ids: Vec::new(),
        wamid: rng.wamid(&recipient),
        second_id: id,
        shared_id: call.settings.lancepilot.workspace.clone(),
        recipient,
        at: call.now,
    };
    let reply = json!({ "status": 201, "message": "Resource created successfully.", "data": {} });
    ApiReply::accepted(201, reply, message)
}
