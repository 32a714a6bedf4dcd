//! The template of a message as columns: name, language, and a JSON text with the values.

use serde::{Deserialize, Serialize};

use crate::db::Error;
use crate::domain::template::{Template, TemplateButton};
use crate::store::entities::message_row::Model;

#[derive(Serialize, Deserialize)]
struct TemplateValues {
    body: Vec<String>,
    buttons: Vec<ButtonValue>,
}

#[derive(Serialize, Deserialize)]
struct ButtonValue {
    kind: String,
    index: u8,
    value: String,
}

pub(super) fn encode(template: &Template) -> String {
    let values = TemplateValues {
        body: template.body.clone(),
        buttons: template
            .buttons
            .iter()
            .map(|button| ButtonValue {
                kind: button.kind.to_string(),
                index: button.index,
                value: button.value.clone(),
            })
            .collect(),
    };
    serde_json::json!(values).to_string()
}

/// `None` for a free-form message.
pub(super) fn decode(row: &Model) -> Result<Option<Template>, Error> {
    let Some(name) = row.template_name.clone() else {
        return Ok(None);
    };
    let inconsistent = || Error::inconsistent("messages", "template_values", row.id);
    let text = row.template_values.as_deref().unwrap_or_default();
    let values: TemplateValues = serde_json::from_str(text).map_err(|_| inconsistent())?;
    let buttons = values
        .buttons
        .into_iter()
        .map(|button| {
            Ok(TemplateButton {
                kind: button.kind.parse().map_err(|_| inconsistent())?,
                index: button.index,
                value: button.value,
            })
        })
        .collect::<Result<_, Error>>()?;
    Ok(Some(Template {
        name,
        language: row.template_language.clone(),
        body: values.body,
        buttons,
    }))
}
