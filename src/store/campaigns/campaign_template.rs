//! The template of a campaign as JSON.

use serde::{Deserialize, Serialize};

use crate::db::Error;
use crate::domain::template::{Template, TemplateButton};

#[derive(Serialize, Deserialize)]
struct StoredTemplate {
    name: String,
    language: Option<String>,
    body: Vec<String>,
    buttons: Vec<StoredButton>,
}

#[derive(Serialize, Deserialize)]
struct StoredButton {
    kind: String,
    index: u8,
    value: String,
}

pub(super) fn write(template: &Template) -> String {
    let buttons = template.buttons.iter();
    let stored = StoredTemplate {
        name: template.name.clone(),
        language: template.language.clone(),
        body: template.body.clone(),
        buttons: buttons
            .map(|button| StoredButton {
                kind: button.kind.to_string(),
                index: button.index,
                value: button.value.clone(),
            })
            .collect(),
    };
    serde_json::json!(stored).to_string()
}

pub(super) fn read(text: &str, campaign: &str) -> Result<Template, Error> {
    let inconsistent = || Error::inconsistent("campaigns", "template", campaign);
    let stored: StoredTemplate = serde_json::from_str(text).map_err(|_| inconsistent())?;
    let buttons = stored.buttons.into_iter().map(|button| {
        Ok(TemplateButton {
            kind: button.kind.parse().map_err(|_| inconsistent())?,
            index: button.index,
            value: button.value,
        })
    });
    Ok(Template {
        name: stored.name,
        language: stored.language,
        body: stored.body,
        buttons: buttons.collect::<Result<_, Error>>()?,
    })
}
