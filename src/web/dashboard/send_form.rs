//! The form of a single message: what was typed, each error at its field.

use crate::db;
use crate::domain::media::{MediaKind, MediaSource};
use crate::domain::message::Message;
use crate::domain::provider_account::{Account, AccountMode};
use crate::domain::template::{BUTTONS_LIMIT, ButtonKind};
use crate::sending::accept::{ButtonInput, InvalidField, MessageInput, TemplateInput};
use crate::services::Services;
use crate::web::api::send_body::FILE_LIMIT;
use crate::web::dashboard::filter_form::SelectOption;
use crate::web::dashboard::form_field::{FieldText, FormField, REQUIRED};
use crate::web::dashboard::send_media::kind_of;
use crate::web::dashboard::upload_form::UploadForm;

#[derive(Clone, Debug)]
pub(super) struct MessageForm {
    /// Idempotency key: posting the form twice sends one message.
    pub(super) key: String,
    pub(super) accounts: Vec<SelectOption>,
    pub(super) kinds: Vec<SelectOption>,
    /// The value of the first one is empty: the type follows from the file's extension.
    pub(super) types: Vec<SelectOption>,
    pub(super) type_error: Option<String>,
    pub(super) kind_error: Option<String>,
    pub(super) account_error: Option<String>,
    pub(super) fields: Vec<FormField>,
    /// Fields of a template; the media becomes its header.
    pub(super) template_fields: Vec<FormField>,
    pub(super) buttons: Vec<ButtonRow>,
    pub(super) file_error: Option<String>,
    /// In bytes.
    pub(super) file_limit: usize,
    /// Of fields that the form does not have.
    pub(super) errors: Vec<(String, String)>,
}

/// A row of the form for one button of a template.
#[derive(Clone, Debug)]
pub(super) struct ButtonRow {
    /// From 0, in the form.
    pub(super) row: usize,
    pub(super) kinds: Vec<SelectOption>,
    /// From 0, in the template; empty means its place in the form.
    pub(super) index: String,
    pub(super) value: String,
    pub(super) error: Option<String>,
}

/// Rows of an empty form; the API takes more buttons.
const BUTTON_ROWS: usize = 3;

/// Their names are those of the API.
const FIELDS: [FieldText; 7] = [
    ("to", "To", "tel", "+91 99701 23456", REQUIRED),
    (
        "media.url",
        "Link to the image or video",
        "url",
        "https://…",
        "required, or upload the file",
    ),
    ("name", "Recipient's name", "text", "Asha Rao", ""),
    ("from", "From", "tel", "the account's first sender", ""),
    ("caption", "Caption", "textarea", "", ""),
    ("client_reference", "Your reference", "text", "order-42", ""),
    (
        "send_before",
        "Expires after",
        "text",
        "2h, or 2026-12-01T18:00:00Z",
        "",
    ),
];

const TEMPLATE_FIELDS: [FieldText; 3] = [
    ("template.name", "Name or id", "text", "order_update", ""),
    ("template.language", "Language", "text", "en_US", ""),
    (
        "template.body",
        "Variables, one per line",
        "textarea",
        "",
        "",
    ),
];

impl MessageForm {
    pub(super) async fn load(services: &Services, given: &UploadForm) -> Result<Self, db::Error> {
        let records = services.store.list_accounts().await?;
        let is_paused = |account: &Account| {
            let record = records.get(&account.id);
            record.is_some_and(|record| record.pause.is_some())
        };
        let field = |text| FormField::new(text, given);
        let kinds = ["", "image", "video"].map(|kind| SelectOption {
            selected: kind == given.text("kind"),
            label: if kind.is_empty() {
                "from the link or file"
            } else {
                kind
            }
            .to_owned(),
            value: kind.to_owned(),
        });
        Ok(Self {
            key: given
                .given("key")
                .filter(|key| is_key(key))
                .unwrap_or_else(new_key),
            accounts: services
                .accounts
                .values()
                .map(|account| account_option(account, is_paused(account), given.text("account")))
                .collect(),
            kinds: kinds.to_vec(),
            types: ["", "image/jpeg", "image/png", "video/mp4", "video/3gpp"]
                .map(|kind| SelectOption {
                    selected: kind == given.text("media.mime_type"),
                    label: if kind.is_empty() {
                        "from its extension"
                    } else {
                        kind
                    }
                    .to_owned(),
                    value: kind.to_owned(),
                })
                .to_vec(),
            fields: FIELDS.map(field).to_vec(),
            template_fields: TEMPLATE_FIELDS.map(field).to_vec(),
            buttons: (0..button_rows(given))
                .map(|row| button_row(given, row))
                .collect(),
            type_error: None,
            kind_error: None,
            account_error: None,
            file_error: None,
            file_limit: FILE_LIMIT,
            errors: Vec::new(),
        })
    }

    pub(super) fn with_errors(mut self, errors: Vec<InvalidField>) -> Self {
        for error in errors {
            if let Some(row) = self.find_button_row(&error.field) {
                let message = describe_button_error(&error);
                row.error.get_or_insert(message);
                continue;
            }
            match self.place_of(&error.field) {
                Some(place) => {
                    place.get_or_insert(error.message);
                }
                None => self.errors.push((error.field, error.message)),
            }
        }
        self
    }

    /// Where the form shows an error of the field.
    fn place_of(&mut self, field: &str) -> Option<&mut Option<String>> {
        let name = match field.split('[').next().unwrap_or_default() {
            "account" => return Some(&mut self.account_error),
            "kind" => return Some(&mut self.kind_error),
            "media.mime_type" => return Some(&mut self.type_error),
            "file" => return Some(&mut self.file_error),
            "media" => "media.url",
            "template" => "template.name",
            other => other,
        };
        let mut fields = self.fields.iter_mut().chain(&mut self.template_fields);
        let found = fields.find(|field| field.name == name)?;
        Some(&mut found.error)
    }

    /// Posting the form again then sends another message.
    pub(super) fn renew_key(&mut self) {
        self.key = new_key();
    }

    pub(super) fn has_errors(&self) -> bool {
        let mut fields = self.fields.iter().chain(&self.template_fields);
        let places = [
            &self.account_error,
            &self.kind_error,
            &self.type_error,
            &self.file_error,
        ];
        !self.errors.is_empty()
            || places.into_iter().any(Option::is_some)
            || self.buttons.iter().any(|row| row.error.is_some())
            || fields.any(|field| field.error.is_some())
    }

    pub(super) fn has_template(&self) -> bool {
        let mut fields = self.template_fields.iter();
        fields.any(|field| !field.value.is_empty() || field.error.is_some())
            || self.buttons.iter().any(ButtonRow::is_used)
    }

    /// Errors name a button by its position among the rows that are used.
    fn find_button_row(&mut self, field: &str) -> Option<&mut ButtonRow> {
        let place = field.strip_prefix("template.buttons[")?;
        let place: usize = place.split(']').next()?.parse().ok()?;
        self.buttons
            .iter_mut()
            .filter(|row| row.is_used())
            .nth(place)
    }
}

impl ButtonRow {
    fn is_used(&self) -> bool {
        !self.value.is_empty() || self.kinds.iter().skip(1).any(|kind| kind.selected)
    }
}

fn describe_button_error(error: &InvalidField) -> String {
    let part = error.field.rsplit('.').next().unwrap_or_default();
    format!("{part} {}", error.message)
}

/// How many rows the form has: enough for the buttons given, at least [`BUTTON_ROWS`].
fn button_rows(given: &UploadForm) -> usize {
    let is_given = |row: &usize| !given.text(&button_field(*row, "type")).is_empty();
    let given = (0..BUTTONS_LIMIT).filter(is_given).max();
    given.map_or(BUTTON_ROWS, |last| (last + 1).max(BUTTON_ROWS))
}

fn button_row(given: &UploadForm, row: usize) -> ButtonRow {
    let chosen = given.text(&button_field(row, "type"));
    let labels = [
        ("", "none"),
        (ButtonKind::Url.as_str(), "link"),
        (ButtonKind::QuickReply.as_str(), "quick reply"),
        (ButtonKind::CopyCode.as_str(), "copy code"),
    ];
    ButtonRow {
        row,
        kinds: labels
            .map(|(value, label)| SelectOption {
                selected: value == chosen,
                label: label.to_owned(),
                value: value.to_owned(),
            })
            .to_vec(),
        index: given.text(&button_field(row, "index")).to_owned(),
        value: given.text(&button_field(row, "value")).to_owned(),
        error: None,
    }
}

fn button_field(row: usize, part: &str) -> String {
    format!("template.buttons[{row}].{part}")
}

fn button_inputs(given: &UploadForm) -> Vec<ButtonInput> {
    let rows = (0..BUTTONS_LIMIT).map(|row| ButtonInput {
        kind: given.text(&button_field(row, "type")).to_owned(),
        index: match given.text(&button_field(row, "index")) {
            "" => u8::try_from(row).ok(),
            // Text that is not a number becomes a number out of range, an error of this field.
            text => Some(text.parse().unwrap_or(u8::MAX)),
        },
        value: given.text(&button_field(row, "value")).to_owned(),
    });
    rows.filter(|row| !row.kind.is_empty() || !row.value.is_empty())
        .collect()
}

/// Fills the form with the content of a message, to send it in another way.
pub(super) fn fields_like(message: &Message) -> UploadForm {
    let mut form = UploadForm::default();
    let mut set = |name: &str, text: Option<&str>| {
        if let Some(text) = text {
            form.set_text(name, text.to_owned());
        }
    };
    let media = message.media.as_ref();
    let source = media.map(|media| &media.source);
    let recipient = message
        .recipient
        .as_ref()
        .map(|digits| format!("+{digits}"));
    let template = message.template.as_ref();
    set("account", Some(message.account.as_str()));
    set("kind", message.kind.map(MediaKind::as_str));
    set("to", recipient.as_deref());
    set("name", message.name.as_deref());
    set("from", message.sender.as_deref());
    if let Some(MediaSource::Url(url)) = source {
        set("media.url", Some(url));
        set(
            "media.mime_type",
            media.and_then(|media| media.mime_type.as_deref()),
        );
    }
    set("caption", media.and_then(|media| media.caption.as_deref()));
    set("client_reference", message.client_reference.as_deref());
    set(
        "template.name",
        template.map(|template| template.name.as_str()),
    );
    set(
        "template.language",
        template.and_then(|template| template.language.as_deref()),
    );
    let body = template.map(|template| template.body.join("\n"));
    set("template.body", body.as_deref());
    for (row, button) in template
        .iter()
        .flat_map(|template| &template.buttons)
        .enumerate()
    {
        set(&button_field(row, "type"), Some(button.kind.as_str()));
        set(&button_field(row, "index"), Some(&button.index.to_string()));
        set(&button_field(row, "value"), Some(&button.value));
    }
    form
}

const KEY_PREFIX: &str = "form-";

fn new_key() -> String {
    format!("{KEY_PREFIX}{:032x}", rand::random::<u128>())
}

/// Whether [`new_key`] can have made the key: what a form posts may be anything.
fn is_key(text: &str) -> bool {
    text.strip_prefix(KEY_PREFIX).is_some_and(|digits| {
        digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

fn account_option(account: &Account, is_paused: bool, chosen: &str) -> SelectOption {
    let id = account.id.to_string();
    SelectOption {
        selected: id == chosen,
        label: match account.mode {
            AccountMode::DryRun => format!("{id} (dry run)"),
            AccountMode::Live if is_paused => format!("{id} (paused: messages wait)"),
            AccountMode::Live => id.clone(),
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
        buttons: button_inputs(given),
    };
    MessageInput {
        account: given.text("account").to_owned(),
        from: given.given("from"),
        to: given.text("to").to_owned(),
        recipient_name: given.given("name"),
        mime_type: given.given("media.mime_type"),
        kind: kind_of(given),
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
