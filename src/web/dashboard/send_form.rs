//! The form of a single message: what was typed, each error at its field.

use crate::domain::media::MediaKind;
use crate::domain::provider_account::{Account, AccountMode};
use crate::sending::accept::{InvalidField, MessageInput, TemplateInput};
use crate::services::Services;
use crate::web::dashboard::filter_form::SelectOption;
use crate::web::dashboard::form_field::FormField;
use crate::web::dashboard::upload_form::UploadForm;

#[derive(Clone, Debug)]
pub(super) struct MessageForm {
    /// Makes a repeated submission of the form the same message.
    pub(super) key: String,
    pub(super) accounts: Vec<SelectOption>,
    pub(super) kinds: Vec<SelectOption>,
    /// The first one is empty: as the file's extension says.
    pub(super) types: Vec<SelectOption>,
    pub(super) fields: Vec<FormField>,
    /// Of a template; its media is the template's header.
    pub(super) template_fields: Vec<FormField>,
    /// Of the account, the kind and the file.
    pub(super) errors: Vec<(String, String)>,
}

/// Name in the API, label, type, hint.
const FIELDS: [(&str, &str, &str, &str); 7] = [
    ("to", "To", "tel", "+91 99701 23456"),
    ("name", "Recipient's name", "text", "Asha Rao"),
    ("from", "From", "tel", "the account's first sender"),
    ("media.url", "URL of the image or video", "url", "https://…"),
    ("caption", "Caption", "textarea", ""),
    ("client_reference", "Your reference", "text", "order-42"),
    ("send_before", "Expires after", "text", "2h, or an instant"),
];

const TEMPLATE_FIELDS: [(&str, &str, &str, &str); 3] = [
    ("template.name", "Name or id", "text", "order_update"),
    ("template.language", "Language", "text", "en_US"),
    ("template.body", "Variables, one per line", "textarea", ""),
];

impl MessageForm {
    pub(super) fn of(services: &Services, given: &UploadForm) -> Self {
        let field = |(name, label, kind, hint)| FormField {
            name,
            label,
            kind,
            hint,
            value: given.text(name).to_owned(),
            error: None,
        };
        let kinds = MediaKind::ALL.map(|kind| SelectOption {
            selected: kind.as_str() == given.text("kind"),
            label: kind.to_string(),
            value: kind.to_string(),
        });
        Self {
            key: given
                .given("key")
                .filter(|key| is_key(key))
                .unwrap_or_else(new_key),
            accounts: services
                .accounts
                .values()
                .map(|account| account_option(account, given.text("account")))
                .collect(),
            kinds: kinds.to_vec(),
            types: ["", "image/jpeg", "image/png", "video/mp4", "video/3gpp"]
                .map(|kind| SelectOption {
                    selected: kind == given.text("media.mime_type"),
                    label: if kind.is_empty() {
                        "as its extension says"
                    } else {
                        kind
                    }
                    .to_owned(),
                    value: kind.to_owned(),
                })
                .to_vec(),
            fields: FIELDS.map(field).to_vec(),
            template_fields: TEMPLATE_FIELDS.map(field).to_vec(),
            errors: Vec::new(),
        }
    }

    pub(super) fn with_errors(mut self, errors: Vec<InvalidField>) -> Self {
        for error in errors {
            let name = match error.field.split('[').next().unwrap_or_default() {
                "media" => "media.url",
                "template" => "template.name",
                other => other,
            };
            let mut fields = self.fields.iter_mut().chain(&mut self.template_fields);
            match fields.find(|field| field.name == name && field.error.is_none()) {
                Some(field) => field.error = Some(error.message),
                None => self.errors.push((error.field, error.message)),
            }
        }
        self
    }

    /// The next submission is another message.
    pub(super) fn renew_key(&mut self) {
        self.key = new_key();
    }

    pub(super) fn has_errors(&self) -> bool {
        let mut fields = self.fields.iter().chain(&self.template_fields);
        !self.errors.is_empty() || fields.any(|field| field.error.is_some())
    }

    pub(super) fn has_template(&self) -> bool {
        let mut fields = self.template_fields.iter();
        fields.any(|field| !field.value.is_empty() || field.error.is_some())
    }
}

const KEY_PREFIX: &str = "form-";

fn new_key() -> String {
    format!("{KEY_PREFIX}{:032x}", rand::random::<u128>())
}

/// Keys are in the form, so that others than ours can come.
fn is_key(text: &str) -> bool {
    text.strip_prefix(KEY_PREFIX).is_some_and(|digits| {
        digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

fn account_option(account: &Account, chosen: &str) -> SelectOption {
    let id = account.id.to_string();
    SelectOption {
        selected: id == chosen,
        label: match account.mode {
            AccountMode::Live => id.clone(),
            AccountMode::DryRun => format!("{id} (dry run)"),
        },
        value: id,
    }
}

/// The message that the form describes, without its author.
pub(super) fn message_input(given: &UploadForm) -> MessageInput {
    let template = TemplateInput {
        name: given.text("template.name").to_owned(),
        language: given.given("template.language"),
        body: given
            .text("template.body")
            .lines()
            .map(|line| line.trim().to_owned())
            .collect(),
        buttons: Vec::new(),
    };
    MessageInput {
        account: given.text("account").to_owned(),
        from: given.given("from"),
        to: given.text("to").to_owned(),
        recipient_name: given.given("name"),
        mime_type: given.given("media.mime_type"),
        kind: given.text("kind").to_owned(),
        media_url: given.given("media.url"),
        upload: given.file.as_ref().map(|(_, received)| received.clone()),
        // Browsers write line breaks as CR and LF.
        caption: given
            .given("caption")
            .map(|text| text.replace("\r\n", "\n")),
        client_reference: given.given("client_reference"),
        send_before: given.given("send_before"),
        template: (template != TemplateInput::default()).then_some(template),
        ..MessageInput::default()
    }
}
