//! Sobot (sobot.in, by EffCode; not sobot.io). Documentation: <https://docs.sobot.in>, read on
//! 2026-11-20.
//!
//! Authentication: headers `x-api-key` and `x-api-secret`. Callbacks are not signed: only the token
//! in their URL protects them.
//!
//! Quirks: every callback is posted exactly once, whatever we answer, and there is no status query.
//! A status is a flat object `{id, status, timestamp}`, an incoming message an array of Meta's
//! changes; a video may be under `image`. The only documented failure body is `{message, code}`,
//! without `data`, and its HTTP status is not documented: the body's code decides. The texts of
//! success have changed over time. `failed` is not in the documented list of statuses, but Meta's
//! would be passed through. Templates are posted to the same address as other messages, with Meta's
//! components under `params`.

use serde::Serialize;
use serde_json::Value;

use crate::domain::failure::Failure;
use crate::domain::media::{MediaKind, MediaSource};
use crate::domain::message::{MessageDraft, OutgoingMessage};
use crate::domain::provider::{Capabilities, MediaSources, ProviderId};
use crate::domain::provider_account::{Account, Credentials};
use crate::domain::template::{ButtonKind, Template, TemplateRules};
use crate::providers::json_member::JsonMember;
use crate::providers::meta_failure::parse_failure;
use crate::providers::payload::{first_text, items, require_ids};
use crate::providers::protocol::{CallbackPart, Header, HttpReply, Provider, SendStep};
use crate::providers::reply_word::add_reply_word;
use crate::providers::template_components::{Component, HeaderMedia, IndexFormat, components};
use crate::providers::vocabulary::{self, Meaning};
use crate::providers::{cloud_api, replies};

#[derive(Debug)]
pub struct Sobot;

static CAPABILITIES: Capabilities = Capabilities {
    kinds: &MediaKind::ALL,
    sources: MediaSources {
        url: true,
        id: false,
        upload: false,
    },
    recipient_name_required: true,
    mime_type_required: true,
    sender_required: false,
    echoes_references: false,
    options: &[],
    image_limit: 5 * 1024 * 1024,
    video_limit: 16 * 1024 * 1024,
    retry_schedule: &[],
    // A button's documented index is 0 or 1.
    templates: TemplateRules {
        name_is_number: false,
        body_limit: None,
        buttons: &[ButtonKind::Url],
        button_limit: 2,
    },
};

/// The body of `POST /message/`.
#[derive(Serialize)]
struct SobotMessageRequest<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    url: &'a str,
    customer_number: &'a str,
    customer_name: &'a str,
    mime_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<&'a str>,
}

/// The body of `POST /message/` for a template. The documentation's text names no `type`.
#[derive(Serialize)]
struct SobotTemplateRequest<'a> {
    template_name: &'a str,
    template_lang: &'a str,
    customer_number: &'a str,
    customer_name: &'a str,
    params: Vec<Component<'a>>,
}

impl Provider for Sobot {
    fn id(&self) -> ProviderId {
        ProviderId::Sobot
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
        match cloud_api::parse(payload) {
            Some(parts) => require_ids(parts),
            None => vec![CallbackPart::unparseable(
                "neither a status nor a list of changes",
            )],
        }
    }

    fn setup(&self) -> &'static [&'static str] {
        &[
            "Sign in at app.sobot.in as an Admin: only an Admin sees the developer settings.",
            "Open Settings, then Developer tools.",
            "Generate an API key and secret only if you have none: new ones disable the old ones at once.",
            "Enter {url} as the webhook URL. It must be https with a valid certificate.",
            "Choose the message status and message received notifications, if the console asks for them.",
            "Send a test message from here. Sobot posts each status exactly once, so check that its status reaches Delivered.",
        ]
    }
}

fn call(account: &Account, message: &OutgoingMessage) -> SendStep {
    let draft = &message.draft;
    let Credentials::Sobot {
        api_key,
        api_secret,
    } = &account.credentials
    else {
        return replies::invalid_account_setup("the account's credentials are not for Sobot");
    };
    let MediaSource::Url(url) = &draft.media.source else {
        return replies::invalid_account_setup("Sobot accepts media by URL only");
    };
    let (Some(name), Some(mime_type)) = (&draft.name, &draft.media.mime_type) else {
        return replies::invalid_account_setup(
            "Sobot requires the customer's name and the media type",
        );
    };
    let base = account
        .base_url
        .as_deref()
        .unwrap_or("https://api.sobot.in");
    let address = format!("{base}/message/");
    let headers = vec![
        Header::secret("x-api-key", api_key.expose()),
        Header::secret("x-api-secret", api_secret.expose()),
    ];
    if let Some(template) = &draft.template {
        let request = template_request(draft, name, template, url);
        return replies::post_json(address, headers, &request);
    }
    let request = SobotMessageRequest {
        kind: draft.media.kind.as_str(),
        url,
        customer_number: draft.recipient.digits(),
        customer_name: name,
        // The documented name of the type; WhatsApp's own is video/3gpp.
        mime_type: match mime_type.as_str() {
            "video/3gpp" => "video/3gp",
            other => other,
        },
        caption: draft.media.caption.as_deref(),
    };
    replies::post_json(address, headers, &request)
}

fn template_request<'a>(
    draft: &'a MessageDraft,
    name: &'a str,
    template: &'a Template,
    url: &'a str,
) -> SobotTemplateRequest<'a> {
    let header = HeaderMedia::new(None, Some(url));
    SobotTemplateRequest {
        template_name: &template.name,
        template_lang: template.language.as_deref().unwrap_or_default(),
        customer_number: draft.recipient.digits(),
        customer_name: name,
        params: components(draft.media.kind, header, template, IndexFormat::Number),
    }
}

fn parse_reply(reply: &HttpReply) -> SendStep {
    if let Some(redirect) = replies::redirect(reply) {
        return redirect;
    }
    let Some(body) = replies::object(reply) else {
        return replies::unparseable_reply(ProviderId::Sobot, reply);
    };
    let listed = body.member("data");
    let ids = replies::distinct_ids(listed, &["id"]);
    let data = items(listed).first().unwrap_or(&Value::Null);
    let code = first_text(&body, &["code"]);
    let message = first_text(&body, &["message"]);
    let number = code.as_deref().map(str::parse::<u32>);
    let word = first_text(data, &["status"]);
    if word.is_some_and(|word| vocabulary::meaning(&word, &[]) == Some(Meaning::Failed)) {
        let reason = parse_failure(&[data]);
        // The code of a successful exchange is not that of the failure.
        let code = code.filter(|_| !matches!(number, Some(Ok(100..400))));
        let failure = Failure {
            code: reason.code.or(code),
            title: reason.title.or(message),
            ..reason
        };
        return replies::refused_by_body(ProviderId::Sobot, reply, failure);
    }
    // An HTTP status in the body takes precedence over the reply's; any other number is a WhatsApp
    // code and thus a refusal.
    let status = match number {
        Some(Ok(status @ 100..600)) => u16::try_from(status).unwrap_or(reply.status),
        Some(Ok(_)) => 400,
        Some(Err(_)) => return replies::unparseable_reply(ProviderId::Sobot, reply),
        None if !ids.is_empty() => 200,
        None => reply.status,
    };
    match status {
        200..300 if code.is_some() || !ids.is_empty() => replies::accepted_with_one(ids),
        200..300 => replies::unparseable_reply(ProviderId::Sobot, reply),
        _ => replies::refused(
            ProviderId::Sobot,
            reply,
            status,
            Failure {
                code,
                title: message,
                ..Failure::default()
            },
        ),
    }
}
