//! Sobot (sobot.in, by EffCode; not sobot.io). Documentation: <https://docs.sobot.in>, read on 2026-11-20.
//!
//! Authentication: headers `x-api-key` and `x-api-secret`. Callbacks are neither signed nor secured: the token in their URL is the protection.
//!
//! Quirks: every callback is posted exactly once, whatever we answer, and there is no status query. A status is a flat object
//! `{id, status, timestamp}`, an incoming message an array of Meta's changes; a video may stand under `image`. The only failure
//! body documented is `{message, code}`, without `data`, and the HTTP status beside it is not said: the body's code decides.
//! The texts of success changed over time. `failed` is not in the documented list of statuses, but Meta's would pass through.

use serde::Serialize;

use crate::domain::failure::Failure;
use crate::domain::media::{MediaKind, MediaSource};
use crate::domain::message::Outgoing;
use crate::domain::provider::{Account, Capabilities, Credentials, MediaSources, ProviderId};
use crate::providers::payload::{self, first, require_ids};
use crate::providers::vocabulary::{self, Meaning};
use crate::providers::{
    Callback, CallbackPart, Header, HttpReply, Provider, SendStep, cloud_api, replies,
};

/// Sobot.
#[derive(Debug)]
pub struct Sobot;

static CAPABILITIES: Capabilities = Capabilities {
    kinds: &MediaKind::ALL,
    sources: MediaSources {
        url: true,
        id: false,
        upload: false,
    },
    name_required: true,
    mime_type_required: true,
    sender_required: false,
    carries_references: false,
    options: &[],
    image_limit: 5 * 1024 * 1024,
    video_limit: 16 * 1024 * 1024,
    receipts_by_callback: true,
    status_query: false,
    retry_schedule: &[],
};

/// The body of `POST /message/`.
#[derive(Serialize)]
struct MessageRequest<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    url: &'a str,
    customer_number: &'a str,
    customer_name: &'a str,
    mime_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<&'a str>,
}

impl Provider for Sobot {
    fn id(&self) -> ProviderId {
        ProviderId::Sobot
    }

    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn send(&self, account: &Account, message: &Outgoing, replies: &[HttpReply]) -> SendStep {
        match replies.last() {
            None => call(account, message),
            Some(reply) => read_reply(reply),
        }
    }

    fn read_callback(&self, callback: &Callback) -> Vec<CallbackPart> {
        let parts = payload::read(callback).and_then(|payload| {
            cloud_api::read(&payload)
                .ok_or_else(|| "neither a status nor a list of changes".to_owned())
        });
        match parts {
            Ok(parts) => require_ids(parts),
            Err(reason) => vec![CallbackPart::Unreadable(reason)],
        }
    }

    fn setup(&self) -> &'static [&'static str] {
        &[
            "Sign in at app.sobot.in as an Admin: only an Admin sees the developer settings.",
            "Open Settings, then Developer tools.",
            "Generate an API key and secret only if you have none: new ones stop the old ones at once.",
            "Enter {url} as the webhook address. It must be https with a valid certificate.",
            "Choose the message status and message received notifications, if the console asks.",
            "Send a test message from here. Sobot posts each status exactly once, so watch that its ticks arrive.",
        ]
    }
}

fn call(account: &Account, message: &Outgoing) -> SendStep {
    let draft = &message.draft;
    let Credentials::Sobot {
        api_key,
        api_secret,
    } = &account.credentials
    else {
        return replies::misfit("the account's keys are not Sobot's");
    };
    let MediaSource::Url(url) = &draft.media.source else {
        return replies::misfit("Sobot takes media by its address only");
    };
    let (Some(name), Some(mime_type)) = (&draft.name, &draft.media.mime_type) else {
        return replies::misfit("Sobot needs the customer's name and the media type");
    };
    let request = MessageRequest {
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
    let base = account
        .base_url
        .as_deref()
        .unwrap_or("https://api.sobot.in");
    replies::post_json(
        format!("{base}/message/"),
        vec![
            Header::secret("x-api-key", api_key.expose()),
            Header::secret("x-api-secret", api_secret.expose()),
        ],
        &request,
    )
}

fn read_reply(reply: &HttpReply) -> SendStep {
    if let Some(redirect) = replies::redirect(reply) {
        return redirect;
    }
    let Some(body) = replies::object(reply) else {
        return replies::not_understood(reply);
    };
    let id = body.get("data").and_then(|data| first(data, &["id"]));
    let code = first(&body, &["code"]);
    let message = first(&body, &["message"]);
    let word = body.get("data").and_then(|data| first(data, &["status"]));
    let failed = word.is_some_and(|word| vocabulary::meaning(&word, &[]) == Some(Meaning::Failed));
    // An HTTP status in the body beats the reply's own; any other number is WhatsApp's, and a refusal.
    let status = match code.as_deref().map(str::parse::<u32>) {
        _ if failed => 400,
        Some(Ok(status @ 100..600)) => u16::try_from(status).unwrap_or(reply.status),
        Some(Ok(_)) => 400,
        Some(Err(_)) => return replies::not_understood(reply),
        None if id.is_some() => 200,
        None => reply.status,
    };
    match status {
        200..300 if code.is_some() || id.is_some() => replies::accepted(id),
        200..300 => replies::not_understood(reply),
        _ => replies::refused(
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
