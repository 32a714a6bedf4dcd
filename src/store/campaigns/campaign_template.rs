//! The template of a campaign as JSON.

use serde::{Deserialize, Serialize};

use crate::db::Error;
use crate::domain::template::Template;
use crate::store::messages::template_values::TemplateValues;

#[derive(Serialize, Deserialize)]
struct CampaignTemplate {
    name: String,
    language: Option<String>,
    #[serde(flatten)]
    values: TemplateValues,
}

pub(super) fn write(template: &Template) -> String {
    let stored = CampaignTemplate {
        name: template.name.clone(),
        language: template.language.clone(),
        values: TemplateValues::of(template),
    };
    serde_json::json!(stored).to_string()
}

pub(super) fn read(text: &str, campaign: &str) -> Result<Template, Error> {
    let stored: Option<CampaignTemplate> = serde_json::from_str(text).ok();
    stored
        .and_then(|stored| stored.values.into_template(stored.name, stored.language))
        .ok_or_else(|| Error::inconsistent("campaigns", "template", campaign))
}
