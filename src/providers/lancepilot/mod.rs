//! LancePilot (lancepilot.com, API v3). Documentation: <https://api.lancepilot.com/llms.txt>, read
//! on 2026-11-20.
//!
//! Authentication: a bearer token; `Accept: application/json`, or errors may be HTML pages.
//! Callbacks are neither documented nor signed: only the token in their URL protects them.
//!
//! Quirks: the documented 201 reply has an empty `data`, so a message may be accepted without an
//! id; then its events are matched by recipient. `{number}` in the path is declared a UUID but is
//! the phone number. Events are JSON:API: `{event, data}`. `message.outgoing` echoes what was sent,
//! also by us (`source: api`), and can provide the id. Names of status events are not documented,
//! so all plausible ones are accepted.

mod lancepilot_callback;
mod lancepilot_event_name;
mod lancepilot_fields;
mod lancepilot_template;

use serde::Serialize;
use serde_json::Value;

use crate::domain::failure::Failure;
use crate::domain::media::{MediaKind, MediaSource, Upload, extension_of_mime_type};
use crate::domain::message::OutgoingMessage;
use crate::domain::provider::{Capabilities, MediaSources, ProviderId};
use crate::domain::provider_account::{Account, Credentials};
use crate::domain::template::{ButtonKind, TemplateRules};
use crate::providers::json_member::JsonMember;
use crate::providers::payload::{first_text, items, parse_text};
use crate::providers::protocol::{
    CallBody, CallbackPart, FilePart, Header, HttpCall, HttpReply, Provider, SendStep,
};
use crate::providers::replies;
use crate::providers::reply_word::add_reply_word;
use crate::providers::vocabulary::StatusWords;

#[derive(Debug)]
pub struct LancePilot;

static CAPABILITIES: Capabilities = Capabilities {
    kinds: &MediaKind::ALL,
    sources: MediaSources {
        url: true,
        id: false,
        upload: true,
    },
    recipient_name_required: false,
    mime_type_required: false,
    sender_required: false,
    echoes_references: false,
    options: &[],
    image_limit: 5120 * 1024,
    video_limit: 16384 * 1024,
    retry_schedule: &[],
    // Documented: 20 body variables, 3 buttons.
    templates: TemplateRules {
        name_is_number: true,
        body_limit: Some(20),
        buttons: &[ButtonKind::Url],
        button_limit: 3,
    },
};

/// The JSON body of `POST …/messages/{kind}`.
#[derive(Serialize)]
struct LancePilotMessageRequest<'a> {
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<&'a str>,
}

impl Provider for LancePilot {
    fn id(&self) -> ProviderId {
        ProviderId::LancePilot
    }

    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn send(
        &self,
        account: &Account,
        message: &OutgoingMessage,
        replies: &[HttpReply],
    ) -> SendStep {
        match replies.last() {
            None => call(account, message),
            Some(reply) => add_reply_word(parse_reply(reply), reply),
        }
    }

    fn parse_payload(&self, payload: &Value) -> Vec<CallbackPart> {
        lancepilot_callback::parse(payload)
    }

    fn status_words(&self) -> StatusWords {
        lancepilot_fields::STATUS_WORDS
    }

    fn setup(&self) -> &'static [&'static str] {
        &[
            "Sign in at lancepilot.com and open Settings, API: create a token for this account's configuration.",
            "The workspace's UUID is in the URL of every page of that workspace.",
            "Open Settings, Webhooks, and enter {url} as the URL for this workspace.",
            "Choose every message event: incoming, outgoing and status.",
            "Send a test message from here. The reply may have no id; its reports are then matched by the customer's number.",
        ]
    }
}

fn call(account: &Account, message: &OutgoingMessage) -> SendStep {
    let draft = &message.draft;
    let Credentials::LancePilot { token, workspace } = &account.credentials else {
        return replies::invalid_account_setup("the account's credentials are not for LancePilot");
    };
    let base = account
        .base_url
        .as_deref()
        .unwrap_or("https://lancepilot.com");
    let number = draft.recipient.digits();
    let kind = draft.media.kind;
    let contact = format!("{base}/api/v3/workspaces/{workspace}/contacts/number/{number}");
    let headers = vec![
        Header::secret("authorization", format!("Bearer {}", token.expose())),
        Header::plain("accept", "application/json"),
    ];
    if let Some(template) = &draft.template {
        let Some(request) = lancepilot_template::request(template, &draft.media.source) else {
            return replies::invalid_account_setup(
                "LancePilot accepts a template by its numeric id, and its media by URL",
            );
        };
        return replies::post_json(format!("{contact}/template-messages"), headers, &request);
    }
    let url = format!("{contact}/messages/{kind}");
    let caption = draft.media.caption.as_deref();
    match &draft.media.source {
        MediaSource::Url(file) => {
            replies::post_json(url, headers, &LancePilotMessageRequest { file, caption })
        }
        MediaSource::Upload(upload) => {
            let mime_type = draft.media.mime_type.as_deref().unwrap_or_default();
            let Some(file) = file_part(kind, mime_type, upload) else {
                return replies::invalid_account_setup(
                    "the type of the uploaded file is not known",
                );
            };
            let fields = caption.map(|text| ("caption", text.to_owned()));
            SendStep::Call(Box::new(HttpCall {
                method: http::Method::POST,
                url,
                headers,
                body: CallBody::Multipart {
                    fields: fields.into_iter().collect(),
                    file,
                },
            }))
        }
        MediaSource::Id(_) => {
            replies::invalid_account_setup("LancePilot accepts media by URL or upload only")
        }
    }
}

/// LancePilot checks the extension (`mp4`, `3gp`); the registered type of the latter is
/// `video/3gpp`.
fn file_part(kind: MediaKind, mime_type: &str, upload: &Upload) -> Option<FilePart> {
    let extension = extension_of_mime_type(mime_type)?;
    Some(FilePart {
        field: "file",
        file_name: format!("{kind}.{extension}"),
        mime_type: match mime_type {
            "video/3gp" => "video/3gpp",
            other => other,
        }
        .to_owned(),
        upload: upload.clone(),
    })
}

fn parse_reply(reply: &HttpReply) -> SendStep {
    if let Some(redirect) = replies::redirect(reply) {
        return redirect;
    }
    let Some(body) = replies::object(reply) else {
        return replies::unparseable_reply(ProviderId::LancePilot, reply);
    };
    let own_status = body.member("status").and_then(Value::as_u64);
    let status = own_status
        .and_then(|status| u16::try_from(status).ok())
        .filter(|status| (100..600).contains(status))
        .unwrap_or(reply.status);
    let failure = parse_refusal(&body);
    if failure.key.is_some() {
        let refused_status = if status < 300 { 422 } else { status };
        return replies::refused(ProviderId::LancePilot, reply, refused_status, failure);
    }
    match status {
        200..300 if own_status.is_some() || body.has_member("data") => parse_acceptance(&body),
        200..300 if body.member("error").and_then(parse_text).is_some() => {
            replies::refused_by_body(ProviderId::LancePilot, reply, failure)
        }
        200..300 => replies::unparseable_reply(ProviderId::LancePilot, reply),
        _ => replies::refused(ProviderId::LancePilot, reply, status, failure),
    }
}

/// All fields of a validation error with their messages; the first field is the key.
fn parse_refusal(body: &Value) -> Failure {
    let fields: Vec<_> = body
        .member("errors")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .collect();
    let lines: Vec<String> = fields
        .iter()
        .map(|(field, messages)| {
            let messages: Vec<_> = items(Some(messages))
                .iter()
                .filter_map(parse_text)
                .collect();
            format!("{field}: {}", messages.join(" "))
        })
        .collect();
    Failure {
        code: first_text(body, &["code"]),
        title: first_text(body, &["message", "error"]),
        detail: (!lines.is_empty()).then(|| lines.join("; ")),
        key: fields.first().map(|(field, _)| (*field).clone()),
    }
}

/// The ids in `data` are those of one message, unless it lists several.
fn parse_acceptance(body: &Value) -> SendStep {
    let data = body.member("data");
    let sent = replies::distinct_ids(data.and_then(|data| data.member("messages")), &["id"]);
    for listed in [replies::distinct_ids(data, &["id"]), sent] {
        if listed.len() > 1 {
            return replies::accepted_with_one(listed);
        }
    }
    replies::accepted(reply_ids(items(data).first().unwrap_or(&Value::Null)))
}

/// Ids in `data`, whose documented sample is empty: JSON:API's field, and those of similar
/// products.
fn reply_ids(data: &Value) -> Vec<String> {
    const ATTRIBUTES: &[&str] = &[
        "wamid",
        "message_id",
        "whatsapp_message_id",
        "wa_message_id",
        "external_id",
    ];
    let attributes = data.member("attributes").unwrap_or(&Value::Null);
    let message = data.member("message").unwrap_or(&Value::Null);
    let messages = items(data.member("messages"));
    let mut ids: Vec<String> = lancepilot_fields::resource_id(data).into_iter().collect();
    ids.extend(
        ATTRIBUTES
            .iter()
            .filter_map(|name| first_text(attributes, &[name])),
    );
    ids.extend(first_text(data, &["wamid"]));
    ids.extend(first_text(message, &["id"]));
    ids.extend(
        messages
            .first()
            .and_then(|message| first_text(message, &["id"])),
    );
    ids
}
