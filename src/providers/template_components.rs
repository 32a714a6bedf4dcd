//! Components of a template message in Meta's format, which Kaleyra and Sobot pass through.

use serde::Serialize;

use crate::domain::media::MediaKind;
use crate::domain::template::{ButtonKind, Template, TemplateButton};

#[derive(Serialize)]
pub(super) struct Component<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<ButtonIndex>,
    parameters: Vec<Parameter<'a>>,
}

/// Meta documents text; Sobot documents a number.
#[derive(Serialize)]
#[serde(untagged)]
enum ButtonIndex {
    Text(String),
    Number(u8),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum IndexFormat {
    Text,
    Number,
}

#[derive(Serialize, Default)]
struct Parameter<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coupon_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<HeaderMedia<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    video: Option<HeaderMedia<'a>>,
}

/// Exactly one of `id` and `link` is present.
#[derive(Serialize)]
pub(super) struct HeaderMedia<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'a str>,
}

impl<'a> HeaderMedia<'a> {
    pub(super) fn new(id: Option<&'a str>, link: Option<&'a str>) -> Self {
        Self { id, link }
    }
}

/// Header, body (if it has variables) and buttons.
pub(super) fn components<'a>(
    kind: MediaKind,
    header: HeaderMedia<'a>,
    template: &'a Template,
    format: IndexFormat,
) -> Vec<Component<'a>> {
    let (image, video) = match kind {
        MediaKind::Image => (Some(header), None),
        MediaKind::Video => (None, Some(header)),
    };
    let mut components = vec![Component {
        kind: "header",
        sub_type: None,
        index: None,
        parameters: vec![Parameter {
            kind: kind.as_str(),
            image,
            video,
            ..Parameter::default()
        }],
    }];
    if !template.body.is_empty() {
        components.push(Component {
            kind: "body",
            sub_type: None,
            index: None,
            parameters: template
                .body
                .iter()
                .map(|text| text_parameter(text))
                .collect(),
        });
    }
    let buttons = template.buttons.iter();
    components.extend(buttons.map(|button| button_component(button, format)));
    components
}

fn text_parameter(text: &str) -> Parameter<'_> {
    Parameter {
        kind: "text",
        text: Some(text),
        ..Parameter::default()
    }
}

fn button_component(button: &TemplateButton, format: IndexFormat) -> Component<'_> {
    let value = button.value.as_str();
    let parameter = match button.kind {
        ButtonKind::Url => text_parameter(value),
        ButtonKind::QuickReply => Parameter {
            kind: "payload",
            payload: Some(value),
            ..Parameter::default()
        },
        ButtonKind::CopyCode => Parameter {
            kind: "coupon_code",
            coupon_code: Some(value),
            ..Parameter::default()
        },
    };
    Component {
        kind: "button",
        sub_type: Some(button.kind.as_str()),
        index: Some(match format {
            IndexFormat::Text => ButtonIndex::Text(button.index.to_string()),
            IndexFormat::Number => ButtonIndex::Number(button.index),
        }),
        parameters: vec![parameter],
    }
}
