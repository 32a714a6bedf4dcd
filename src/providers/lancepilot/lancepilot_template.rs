//! Template messages of LancePilot. Documentation:
//! <https://api.lancepilot.com/pages/endpoints/template-message/send-number.md>, read on 2026-11-28.
//!
//! A template is identified by a number. An unknown phone number becomes a contact.

use serde::Serialize;

use crate::domain::media::MediaSource;
use crate::domain::template::Template;

/// The body of `POST …/template-messages`.
#[derive(Serialize)]
pub(super) struct LancePilotTemplateRequest<'a> {
    template_id: u32,
    template_data: TemplateData<'a>,
}

#[derive(Serialize)]
struct TemplateData<'a> {
    header: LancePilotHeader<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Body<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    buttons: Vec<Button<'a>>,
}

#[derive(Serialize)]
struct LancePilotHeader<'a> {
    file: &'a str,
}

#[derive(Serialize)]
struct Body<'a> {
    variables: &'a [String],
}

#[derive(Serialize)]
struct Button<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    variables: [&'a str; 1],
}

/// `None` if LancePilot cannot send it.
pub(super) fn request<'a>(
    template: &'a Template,
    media: &'a MediaSource,
) -> Option<LancePilotTemplateRequest<'a>> {
    let MediaSource::Url(file) = media else {
        return None;
    };
    let mut ordered: Vec<_> = template.buttons.iter().collect();
    ordered.sort_by_key(|button| button.index);
    Some(LancePilotTemplateRequest {
        template_id: template.name.parse().ok()?,
        template_data: TemplateData {
            header: LancePilotHeader { file },
            body: (!template.body.is_empty()).then_some(Body {
                variables: &template.body,
            }),
            buttons: ordered
                .into_iter()
                .map(|button| Button {
                    kind: "URL",
                    variables: [&button.value],
                })
                .collect(),
        },
    })
}
