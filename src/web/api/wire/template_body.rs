//! The JSON of a template: in a send request and in a message.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::scope::Visibility;
use crate::domain::template::Template;
use crate::sending::accept::{ButtonInput, TemplateInput};

/// An approved template; the media of the message is its header.
#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct TemplateRequest {
    /// The approved name; for LancePilot the template's numeric id.
    #[serde(default)]
    #[schema(required, min_length = 1)]
    pub(crate) name: String,
    /// Such as `en` or `pt_BR`. Required except by LancePilot.
    pub(crate) language: Option<String>,
    /// Values of `{{1}}`, `{{2}}` … in the body.
    #[serde(default)]
    pub(crate) body: Vec<String>,
    /// Values of buttons with a variable.
    #[serde(default)]
    pub(crate) buttons: Vec<TemplateButtonBody>,
}

/// The value of a button with a variable.
#[derive(Deserialize, Serialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct TemplateButtonBody {
    /// `url`, `quick_reply` or `copy_code`.
    #[serde(rename = "type", default)]
    #[schema(required, pattern = "^(url|quick_reply|copy_code)$")]
    pub(crate) kind: String,
    /// Its position among the template's buttons, from 0; if absent, its position in this list.
    pub(crate) index: Option<u8>,
    #[serde(default)]
    #[schema(required, min_length = 1)]
    pub(crate) value: String,
}

impl From<TemplateRequest> for TemplateInput {
    fn from(request: TemplateRequest) -> Self {
        Self {
            name: request.name,
            language: request.language,
            body: request.body,
            buttons: request
                .buttons
                .into_iter()
                .map(|button| ButtonInput {
                    kind: button.kind,
                    index: button.index,
                    value: button.value,
                })
                .collect(),
        }
    }
}

/// The template that a message was sent with.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct TemplateResponse {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) language: Option<String>,
    /// With `operate` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<Vec<String>>,
    /// With `operate` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) buttons: Option<Vec<TemplateButtonBody>>,
}

impl TemplateResponse {
    pub(crate) fn of(template: &Template, visibility: Visibility) -> Self {
        let full = visibility == Visibility::Full;
        let buttons = || {
            let buttons = template.buttons.iter();
            buttons
                .map(|button| TemplateButtonBody {
                    kind: button.kind.to_string(),
                    index: Some(button.index),
                    value: button.value.clone(),
                })
                .collect()
        };
        Self {
            name: template.name.clone(),
            language: template.language.clone(),
            body: full.then(|| template.body.clone()),
            buttons: full.then(buttons),
        }
    }
}
