//! Template messages of Zixflow's campaign API. Documentation:
//! <https://docs.zixflow.com/api-reference/campaign/whatsapp/send-whatsapp-message>, read on
//! 2026-11-28.
//!
//! A template's variables have keys that Zixflow assigns: `image` or `video` for the header,
//! `body_1`, `body_2` … and `button_1` ….

use serde::Serialize;
use serde_json::{Map, Value};

use crate::domain::message::OutgoingMessage;
use crate::domain::template::Template;

/// The body of `POST /api/v1/campaign/whatsapp/send`.
#[derive(Serialize)]
pub(super) struct ZixflowTemplateRequest<'a> {
    to: &'a str,
    #[serde(rename = "phoneId")]
    phone_id: &'a str,
    #[serde(rename = "templateName")]
    template_name: &'a str,
    language: &'a str,
    variables: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(rename = "linkWithRecord", skip_serializing_if = "Option::is_none")]
    link_with_record: Option<bool>,
    #[serde(rename = "submissionStatus")]
    submission_status: bool,
    #[serde(rename = "reportURL")]
    report_url: &'a str,
}

pub(super) fn request<'a>(
    message: &'a OutgoingMessage,
    template: &'a Template,
    phone_id: &'a str,
    link: &str,
) -> ZixflowTemplateRequest<'a> {
    let draft = &message.draft;
    let mut variables = Map::new();
    variables.insert(draft.media.kind.to_string(), link.into());
    for (index, value) in template.body.iter().enumerate() {
        variables.insert(format!("body_{}", index + 1), value.as_str().into());
    }
    for button in &template.buttons {
        let key = format!("button_{}", u16::from(button.index) + 1);
        variables.insert(key, button.value.as_str().into());
    }
    ZixflowTemplateRequest {
        to: draft.recipient.digits(),
        phone_id,
        template_name: &template.name,
        language: template.language.as_deref().unwrap_or_default(),
        variables,
        source: draft.options.source.as_deref(),
        link_with_record: draft.options.link_with_record,
        submission_status: true,
        report_url: &message.report_url,
    }
}
