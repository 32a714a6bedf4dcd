//! Values of a template as JSON; in a message beside the columns of name and language.

use serde::{Deserialize, Serialize};

use crate::db::Error;
use crate::domain::erased_name;
use crate::domain::template::{Template, TemplateButton};
use crate::store::entities::message_row::Model;

/// Of a template without values.
pub(in crate::store) const NO_VALUES: &str = r#"{"body":[],"buttons":[]}"#;

#[derive(Serialize, Deserialize)]
pub(crate) struct TemplateValues {
    body: Vec<String>,
    buttons: Vec<ButtonValue>,
}

#[derive(Serialize, Deserialize)]
struct ButtonValue {
    kind: String,
    index: u8,
    value: String,
}

impl TemplateValues {
    pub(crate) fn of(template: &Template) -> Self {
        let buttons = template.buttons.iter();
        Self {
            body: template.body.clone(),
            buttons: buttons
                .map(|button| ButtonValue {
                    kind: button.kind.to_string(),
                    index: button.index,
                    value: button.value.clone(),
                })
                .collect(),
        }
    }

    /// `None` if a button is of no known kind.
    pub(crate) fn into_template(self, name: String, language: Option<String>) -> Option<Template> {
        let buttons = self.buttons.into_iter().map(|button| {
            Some(TemplateButton {
                kind: button.kind.parse().ok()?,
                index: button.index,
                value: button.value,
            })
        });
        Some(Template {
            name,
            language,
            body: self.body,
            buttons: buttons.collect::<Option<_>>()?,
        })
    }
}

/// The same values; `…` takes the place of those that name the customer.
pub(in crate::store) fn without(text: &str, names_customer: &dyn Fn(&[u8]) -> bool) -> String {
    let Ok(mut values) = serde_json::from_str::<TemplateValues>(text) else {
        return NO_VALUES.to_owned();
    };
    let buttons = values.buttons.iter_mut().map(|button| &mut button.value);
    for value in values.body.iter_mut().chain(buttons) {
        if names_customer(value.as_bytes()) {
            erased_name::TEXT.clone_into(value);
        }
    }
    let text = serde_json::json!(values).to_string();
    // The number may be spread over several values.
    if names_customer(text.as_bytes()) {
        return NO_VALUES.to_owned();
    }
    text
}

pub(super) fn encode(template: &Template) -> String {
    serde_json::json!(TemplateValues::of(template)).to_string()
}

/// `None` for a free-form message.
pub(super) fn decode(row: &Model) -> Result<Option<Template>, Error> {
    let Some(name) = row.template_name.clone() else {
        return Ok(None);
    };
    let text = row.template_values.as_deref().unwrap_or_default();
    let values: Option<TemplateValues> = serde_json::from_str(text).ok();
    let template =
        values.and_then(|values| values.into_template(name, row.template_language.clone()));
    match template {
        Some(template) => Ok(Some(template)),
        None => Err(Error::inconsistent("messages", "template_values", row.id)),
    }
}
