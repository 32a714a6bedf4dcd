//! Zixflow (zixflow.com), campaign API. Documentation:
//! <https://docs.zixflow.com/api-reference/campaign/whatsapp/messages/video-message>, read on
//! 2026-11-20.
//!
//! Authentication: a bearer token. The account's webhook may send static headers that the operator
//! chose; nothing is signed.
//!
//! Quirks: the reply has an id (an ObjectId, not a wamid) only with `submissionStatus: true`, and
//! even then not always, so every message carries its own signed `reportURL`. What is posted there
//! is not documented: all names seen elsewhere are accepted. `status` is a boolean in replies and a
//! word in reports. Ids may be JSON numbers above 2^53. The newer "Zixflow AI" post-back is
//! documented and supported. The account's webhook is only for incoming messages.

mod zixflow_callback;
mod zixflow_template;

use serde::Serialize;
use serde_json::Value;

use crate::domain::failure::Failure;
use crate::domain::media::{MediaKind, MediaSource};
use crate::domain::message::OutgoingMessage;
use crate::domain::provider::{Capabilities, MediaSources, ProviderId, SendOption};
use crate::domain::provider_account::{Account, Credentials};
use crate::domain::template::{BUTTONS_LIMIT, ButtonKind, TemplateRules};
use crate::providers::json_member::JsonMember;
use crate::providers::payload::first_text;
use crate::providers::protocol::{CallbackPart, Header, HttpReply, Provider, SendStep};
use crate::providers::replies;
use crate::providers::reply_word::add_reply_word;

#[derive(Debug)]
pub struct Zixflow;

static CAPABILITIES: Capabilities = Capabilities {
    kinds: &MediaKind::ALL,
    sources: MediaSources {
        url: true,
        id: false,
        upload: false,
    },
    recipient_name_required: false,
    mime_type_required: false,
    sender_required: false,
    echoes_references: false,
    options: &[SendOption::Source, SendOption::LinkWithRecord],
    image_limit: 5 * 1024 * 1024,
    video_limit: 16 * 1024 * 1024,
    retry_schedule: &[],
    templates: TemplateRules {
        name_is_number: false,
        body_limit: None,
        buttons: &[ButtonKind::Url],
        button_limit: BUTTONS_LIMIT,
    },
};

/// The body of `POST /api/v1/campaign/whatsapp/message/send`.
#[derive(Serialize)]
struct ZixflowMessageRequest<'a> {
    to: &'a str,
    #[serde(rename = "phoneId")]
    phone_id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<ZixflowMediaObject<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    video: Option<ZixflowMediaObject<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(rename = "linkWithRecord", skip_serializing_if = "Option::is_none")]
    link_with_record: Option<bool>,
    #[serde(rename = "submissionStatus")]
    submission_status: bool,
    #[serde(rename = "reportURL")]
    report_url: &'a str,
}

/// Zixflow accepts media only by URL.
#[derive(Serialize)]
struct ZixflowMediaObject<'a> {
    link: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<&'a str>,
}

impl Provider for Zixflow {
    fn id(&self) -> ProviderId {
        ProviderId::Zixflow
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
        zixflow_callback::parse(payload)
    }

    fn setup(&self) -> &'static [&'static str] {
        &[
            "Delivery reports need no set-up: every message carries its own signed report URL. Zixflow must be able to reach this server.",
            "In Zixflow open Settings, Developer, and create an API token for this account's configuration.",
            "Open Campaign, Settings, WhatsApp: the Phone ID beside your number (not the number itself) is phone_id.",
            "For incoming messages open Settings, Webhooks, add {url} with the event incoming.whatsapp.message and the data type Event with Data.",
            "If you add custom headers there, put the same names and values into callback_auth.",
            "After ten failed deliveries in a row, over about four days, Zixflow disables the webhook: check it there when incoming messages stop.",
            "Send a test message from here and check that its status reaches Delivered.",
        ]
    }
}

fn call(account: &Account, message: &OutgoingMessage) -> SendStep {
    let draft = &message.draft;
    let Credentials::Zixflow { token, phone_id } = &account.credentials else {
        return replies::invalid_account_setup("the account's credentials are not for Zixflow");
    };
    let MediaSource::Url(link) = &draft.media.source else {
        return replies::invalid_account_setup("Zixflow accepts media by URL only");
    };
    let base = account
        .base_url
        .as_deref()
        .unwrap_or("https://api.zixflow.com");
    let headers = vec![Header::secret(
        "authorization",
        format!("Bearer {}", token.expose()),
    )];
    if let Some(template) = &draft.template {
        let request = zixflow_template::request(message, template, phone_id, link);
        let url = format!("{base}/api/v1/campaign/whatsapp/send");
        return replies::post_json(url, headers, &request);
    }
    let media = ZixflowMediaObject {
        link,
        caption: draft.media.caption.as_deref(),
    };
    let (image, video) = match draft.media.kind {
        MediaKind::Image => (Some(media), None),
        MediaKind::Video => (None, Some(media)),
    };
    let request = ZixflowMessageRequest {
        to: draft.recipient.digits(),
        phone_id,
        kind: draft.media.kind.as_str(),
        image,
        video,
        source: draft.options.source.as_deref(),
        link_with_record: draft.options.link_with_record,
        submission_status: true,
        report_url: &message.report_url,
    };
    let url = format!("{base}/api/v1/campaign/whatsapp/message/send");
    replies::post_json(url, headers, &request)
}

fn parse_reply(reply: &HttpReply) -> SendStep {
    if let Some(redirect) = replies::redirect(reply) {
        return redirect;
    }
    let Some(body) = replies::object(reply) else {
        return replies::unparseable_reply(ProviderId::Zixflow, reply);
    };
    let is_success = ["status", "success"]
        .iter()
        .find_map(|name| body.member(name).and_then(Value::as_bool));
    let failure = Failure {
        code: first_text(&body, &["code", "errorCode"]),
        title: first_text(&body, &["message", "error"]),
        ..Failure::default()
    };
    match is_success {
        Some(true) => replies::accepted_with_one(replies::distinct_ids(
            Some(&body),
            &["messageId", "message_id"],
        )),
        Some(false) if (200..300).contains(&reply.status) => {
            replies::refused_by_body(ProviderId::Zixflow, reply, failure)
        }
        None if (200..300).contains(&reply.status) => {
            replies::unparseable_reply(ProviderId::Zixflow, reply)
        }
        Some(false) | None => replies::refused(ProviderId::Zixflow, reply, reply.status, failure),
    }
}
