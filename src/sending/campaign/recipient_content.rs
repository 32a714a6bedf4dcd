//! One recipient of a campaign, and the message that it gets.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::campaign::Campaign;
use crate::domain::message::{MessageDraft, References};
use crate::domain::template::Template;
use crate::sending::accept::{ButtonInput, InvalidField, MessageInput, TemplateInput};

/// Bytes of the hash of a row key.
const KEY_LENGTH: usize = 18;

/// As in the file, and as stored until the message is created.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RecipientContent {
    /// Counts from 1, a header included.
    pub line: u64,
    pub to: String,
    pub name: Option<String>,
    pub caption: Option<String>,
    pub media_url: Option<String>,
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    #[serde(rename = "ref1")]
    pub reference1: Option<String>,
    #[serde(rename = "ref2")]
    pub reference2: Option<String>,
    pub client_reference: Option<String>,
    /// The other columns.
    pub variables: BTreeMap<String, String>,
}

impl RecipientContent {
    /// Sets the column of this name; empty values are absent.
    pub(super) fn set(&mut self, column: &str, value: String) {
        let value = Some(value).filter(|value| !value.trim().is_empty());
        match column {
            "to" => self.to = value.unwrap_or_default(),
            "name" => self.name = value,
            "caption" => self.caption = value,
            "media_url" => self.media_url = value,
            "ref" => self.reference = value,
            "ref1" => self.reference1 = value,
            "ref2" => self.reference2 = value,
            "client_reference" => self.client_reference = value,
            variable => {
                if let Some(value) = value {
                    self.variables.insert(variable.to_owned(), value);
                }
            }
        }
    }

    fn column(&self, name: &str) -> Option<&str> {
        match name {
            "to" => Some(self.to.as_str()),
            "name" => self.name.as_deref(),
            "media_url" => self.media_url.as_deref(),
            "ref" => self.reference.as_deref(),
            "ref1" => self.reference1.as_deref(),
            "ref2" => self.reference2.as_deref(),
            "client_reference" => self.client_reference.as_deref(),
            variable => self.variables.get(variable).map(String::as_str),
        }
    }

    fn fill(&self, field: &str, text: &str) -> Result<String, InvalidField> {
        fill(text, |name| self.column(name)).map_err(|name| {
            let message = format!("uses {{{{{name}}}}}, for which the row has no value");
            InvalidField::new(field, message)
        })
    }

    fn fill_template(&self, template: &Template) -> Result<TemplateInput, InvalidField> {
        let body = template.body.iter();
        let body = body.map(|value| self.fill("template.body", value));
        let buttons = template.buttons.iter().map(|button| {
            Ok(ButtonInput {
                kind: button.kind.to_string(),
                index: Some(button.index),
                value: self.fill("template.buttons", &button.value)?,
            })
        });
        Ok(TemplateInput {
            name: template.name.clone(),
            language: template.language.clone(),
            body: body.collect::<Result<_, _>>()?,
            buttons: buttons.collect::<Result<_, _>>()?,
        })
    }

    /// The message to this recipient, not validated.
    pub(super) fn message_input(&self, campaign: &Campaign) -> Result<MessageInput, InvalidField> {
        let caption = self.caption.as_ref().or(campaign.caption.as_ref());
        let caption = caption.map(|text| self.fill("caption", text)).transpose()?;
        let template = campaign.template.as_ref();
        let template = template
            .map(|template| self.fill_template(template))
            .transpose()?;
        let own = self.media_url.is_some();
        if !own && campaign.media.url.is_none() && campaign.media.id.is_none() {
            let message = "is missing, and the campaign has no media for all recipients";
            return Err(InvalidField::new("media_url", message));
        }
        let of_campaign = |value: &Option<String>| value.clone().filter(|_| !own);
        Ok(MessageInput {
            account: campaign.account.to_string(),
            from: campaign.sender.clone(),
            to: self.to.clone(),
            recipient_name: self.name.clone(),
            kind: campaign.kind.to_string(),
            media_url: self.media_url.clone().or(campaign.media.url.clone()),
            media_id: of_campaign(&campaign.media.id),
            upload: None,
            mime_type: of_campaign(&campaign.media.mime_type),
            caption,
            references: References {
                reference: self.reference.clone(),
                reference1: self.reference1.clone(),
                reference2: self.reference2.clone(),
            },
            client_reference: self.client_reference.clone(),
            options: BTreeMap::new(),
            campaign: Some(campaign.id.to_string()),
            template,
            send_before: None,
            resend: None,
            author: None,
        })
    }
}

/// Identifies the recipient of a row: by client reference, else by number. A hash, because it is
/// kept as long as the campaign.
pub(super) fn row_key(draft: &MessageDraft) -> String {
    match &draft.client_reference {
        Some(reference) => reference_key(reference),
        None => recipient_key(draft.recipient.digits()),
    }
}

/// The key of a recipient with this client reference.
pub(super) fn reference_key(client_reference: &str) -> String {
    hash(&format!("client_reference {client_reference}"))
}

/// The key of a recipient without client reference.
pub(super) fn recipient_key(digits: &str) -> String {
    hash(&format!("to {digits}"))
}

fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(text)[..KEY_LENGTH])
}

/// The column of a field that an [`InvalidField`] names.
pub(super) fn column_of(field: &str) -> &str {
    match field {
        "media.url" => "media_url",
        "refs.ref" => "ref",
        "refs.ref1" => "ref1",
        "refs.ref2" => "ref2",
        other => other,
    }
}

/// Replaces every `{{name}}`; an error is the first name without a value.
fn fill<'a>(text: &str, value: impl Fn(&str) -> Option<&'a str>) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else {
            break;
        };
        filled.push_str(before);
        let name = name.trim();
        let found = value(name).filter(|value| !value.trim().is_empty());
        filled.push_str(found.ok_or_else(|| name.to_owned())?);
        rest = behind;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_once() {
        let value = |name: &str| match name {
            "name" => Some("Asha {{city}}"),
            "city" => Some("Pune"),
            "empty" => Some(" "),
            _ => None,
        };
        for (text, filled) in [
            ("Hello", Ok("Hello")),
            ("{{name}} in {{ city }}", Ok("Asha {{city}} in Pune")),
            ("open {{name", Ok("open {{name")),
            ("{{shop}}", Err("shop")),
            ("{{empty}}", Err("empty")),
        ] {
            let expected = filled.map(ToOwned::to_owned).map_err(ToOwned::to_owned);
            assert_eq!(fill(text, value), expected, "{text}");
        }
    }
}
