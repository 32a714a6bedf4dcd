//! Values of a template as JSON. A message has other columns for name and language.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::db::Error;
use crate::domain::erased_name;
use crate::domain::template::{Template, TemplateButton};
use crate::store::entities::message_row::Model;

/// Stored for a template without values.
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

    /// `None` if the kind of a button is not known.
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

/// Replaces those of the stored values of a message or a campaign that name the customer by `…`.
pub(in crate::store) fn erase_values(text: &str, names_customer: &dyn Fn(&[u8]) -> bool) -> String {
    let Ok(mut stored) = serde_json::from_str::<Map<String, Value>>(text) else {
        return NO_VALUES.to_owned();
    };
    let value_of = |name: &str| stored.get(name).cloned().unwrap_or_default();
    let (mut body, mut buttons) = (value_of("body"), value_of("buttons"));
    let values = buttons.as_array_mut().into_iter().flatten();
    let values = values.filter_map(|button| button.get_mut("value"));
    for value in body.as_array_mut().into_iter().flatten().chain(values) {
        let text = value.as_str().unwrap_or_default();
        if names_customer(text.as_bytes()) {
            *value = erased_name::TEXT.into();
        }
    }
    stored.insert("body".to_owned(), body);
    stored.insert("buttons".to_owned(), buttons);
    let text = Value::Object(stored.clone()).to_string();
    if !names_customer(text.as_bytes()) {
        return text;
    }
    // The customer's number is split into several values.
    for name in ["body", "buttons"] {
        stored.insert(name.to_owned(), Value::Array(Vec::new()));
    }
    Value::Object(stored).to_string()
}

pub(super) fn encode(template: &Template) -> String {
    serde_json::json!(TemplateValues::of(template)).to_string()
}

/// The template of a message; `None` for a free-form message.
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
