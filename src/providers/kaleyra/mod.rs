//! Kaleyra (kaleyra.io, WhatsApp API V2). Documentation:
//! <https://developers.kaleyra.io/docs/whatsapp-api-v2>, read on 2026-11-20.
//!
//! Authentication: header `api-key`, and the SID in the path. Callbacks may carry a Basic login,
//! static headers or a bearer token that the operator chose; nothing is signed.
//!
//! Quirks: the send reply's id (`A…`) occurs in no callback, and a callback's ids differ;
//! `statuses[].id` may even be the conversation's. Messages are identified by our tag in a
//! reference, which Kaleyra echoes. "Not sent" has neither time nor recipient. `data` of an error
//! is `[]` for RBC001 and `{}` otherwise; `WA401` and `WA-401` both occur, the latter with two
//! meanings that only the key inside `error` distinguishes. Success is documented as WA200 on one
//! page and WA202 on another. V1 callbacks are query strings; quality ratings are sent to the URL
//! for incoming messages.

mod kaleyra_callback;
mod kaleyra_reply;
mod kaleyra_template;
mod kaleyra_wrapper;

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::domain::correlation_tag;
use crate::domain::media::{MediaKind, MediaSource};
use crate::domain::message::OutgoingMessage;
use crate::domain::provider::{Capabilities, MediaSources, ProviderId, SendOption};
use crate::domain::provider_account::{Account, Credentials, KaleyraRegion};
use crate::domain::template::{BUTTONS_LIMIT, ButtonKind, TemplateRules};
use crate::providers::kaleyra::kaleyra_template::TemplateObject;
use crate::providers::protocol::{CallbackPart, Header, HttpReply, Provider, SendStep};
use crate::providers::replies;
use crate::providers::reply_word::add_reply_word;
use crate::providers::template_components::HeaderMedia;
use crate::providers::vocabulary::StatusWords;

#[derive(Debug)]
pub struct Kaleyra;

static CAPABILITIES: Capabilities = Capabilities {
    kinds: &MediaKind::ALL,
    sources: MediaSources {
        url: true,
        id: true,
        upload: false,
    },
    recipient_name_required: false,
    mime_type_required: false,
    sender_required: true,
    echoes_references: true,
    options: &[SendOption::WaSource],
    image_limit: 5 * 1024 * 1024,
    video_limit: 16 * 1024 * 1024,
    // WA500: "3 retries with intervals of 5, 10 and 15 minutes".
    retry_schedule: &[
        Duration::from_mins(5),
        Duration::from_mins(10),
        Duration::from_mins(15),
    ],
    templates: TemplateRules {
        name_is_number: false,
        body_limit: None,
        buttons: &ButtonKind::ALL,
        button_limit: BUTTONS_LIMIT,
    },
};

/// Valid values of `wa_source`; Kaleyra silently replaces any other by `api`.
pub const WA_SOURCES: &[&str] = &[
    "api",
    "clevertap",
    "zoho",
    "webengage",
    "shopify",
    "leadsquared",
    "responsys",
    "braze",
    "hubspot",
    "salesforce",
    "zapier",
    "eloqua",
    "moengage",
];

/// The body of `POST /v2/{sid}/whatsapp/{sender}/messages`.
#[derive(Serialize)]
struct KaleyraMessageRequest<'a> {
    messaging_object: MessagingObject<'a>,
    extra_info: ExtraInfo<'a>,
}

#[derive(Serialize)]
struct MessagingObject<'a> {
    messaging_product: &'static str,
    recipient_type: &'static str,
    to: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<KaleyraMediaObject<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    video: Option<KaleyraMediaObject<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<TemplateObject<'a>>,
}

/// Exactly one of `id` and `link` is present.
#[derive(Serialize)]
struct KaleyraMediaObject<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<&'a str>,
}

/// Echoed in reports and callbacks.
#[derive(Serialize)]
struct ExtraInfo<'a> {
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    #[serde(rename = "ref1", skip_serializing_if = "Option::is_none")]
    reference1: Option<&'a str>,
    #[serde(rename = "ref2", skip_serializing_if = "Option::is_none")]
    reference2: Option<&'a str>,
    wa_source: &'a str,
}

impl Provider for Kaleyra {
    fn id(&self) -> ProviderId {
        ProviderId::Kaleyra
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
            Some(reply) => add_reply_word(kaleyra_reply::parse(reply), reply),
        }
    }

    fn parse_payload(&self, payload: &Value) -> Vec<CallbackPart> {
        kaleyra_callback::parse(payload)
    }

    fn status_words(&self) -> StatusWords {
        kaleyra_callback::STATUS_WORDS
    }

    fn setup(&self) -> &'static [&'static str] {
        &[
            "Sign in at kaleyra.io and open Developers, API Settings: the SID and the API key go into this account's configuration.",
            "Open Developers, Callback Profiles, and create a profile for WhatsApp status updates with the URL {url}, method POST.",
            "Create a second profile for incoming messages with the same URL: it also gets quality ratings.",
            "If the profile asks for authentication, choose Basic or a static header and put the same values into callback_auth.",
            "Assign both profiles to your WhatsApp number under Channels, WhatsApp, Numbers.",
            "Keep ref, ref1 and ref2 in the callback: one of them carries the tag that identifies the message.",
            "Send a test message from here and check that its status reaches Delivered.",
        ]
    }
}

fn call(account: &Account, message: &OutgoingMessage) -> SendStep {
    let draft = &message.draft;
    let Credentials::Kaleyra {
        region,
        sid,
        api_key,
    } = &account.credentials
    else {
        return replies::invalid_account_setup("the account's credentials are not for Kaleyra");
    };
    let base = match (&account.base_url, region) {
        (Some(base), _) => base.as_str(),
        (None, Some(KaleyraRegion::India)) => "https://api.in.kaleyra.io",
        (None, Some(KaleyraRegion::Singapore)) => "https://api.ap.kaleyra.io",
        (None, Some(KaleyraRegion::Europe)) => "https://api.eu.kaleyra.io",
        (None, None) => {
            return replies::invalid_account_setup("the account has neither region nor base_url");
        }
    };
    let Some(sender) = draft.sender.as_ref().or(account.senders.first()) else {
        return replies::invalid_account_setup("the account has no sender number");
    };
    let caption = draft.media.caption.as_deref();
    let (id, link) = match &draft.media.source {
        MediaSource::Id(id) => (Some(id.as_str()), None),
        MediaSource::Url(url) => (None, Some(url.as_str())),
        MediaSource::Upload(_) => {
            return replies::invalid_account_setup("Kaleyra accepts media by id or URL only");
        }
    };
    let references = match correlation_tag::insert_tag(
        account.correlation_slot,
        &draft.references,
        message.id,
    ) {
        Ok(references) => references,
        Err(error) => return replies::invalid_account_setup(&error.to_string()),
    };
    let media = KaleyraMediaObject { id, link, caption };
    let template = draft.template.as_ref().map(|template| {
        kaleyra_template::object(draft.media.kind, HeaderMedia::new(id, link), template)
    });
    let (image, video) = match (draft.media.kind, &template) {
        (_, Some(_)) => (None, None),
        (MediaKind::Image, None) => (Some(media), None),
        (MediaKind::Video, None) => (None, Some(media)),
    };
    let request = KaleyraMessageRequest {
        messaging_object: MessagingObject {
            messaging_product: "whatsapp",
            recipient_type: "individual",
            to: draft.recipient.e164(),
            kind: template
                .as_ref()
                .map_or(draft.media.kind.as_str(), |_| "template"),
            image,
            video,
            template,
        },
        extra_info: ExtraInfo {
            reference: present(references.reference.as_deref()),
            reference1: present(references.reference1.as_deref()),
            reference2: present(references.reference2.as_deref()),
            wa_source: draft.options.wa_source.as_deref().unwrap_or("api"),
        },
    };
    let number = sender.trim_start_matches('+');
    replies::post_json(
        format!("{base}/v2/{sid}/whatsapp/+{number}/messages"),
        vec![
            Header::secret("api-key", api_key.expose()),
            Header::plain("cache-control", "no-cache"),
        ],
        &request,
    )
}

fn present(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}
