//! The form of a new campaign, with its errors beside the fields.

use crate::domain::media::MediaKind;
use crate::sending::accept::InvalidField;
use crate::services::Services;
use crate::web::dashboard::filter_form::SelectOption;
use crate::web::dashboard::form_field::{FieldText, FormField, REQUIRED};
use crate::web::dashboard::import_view::ImportView;
use crate::web::dashboard::upload_form::UploadForm;

#[derive(Clone, Debug)]
pub(super) struct CampaignForm {
    pub(super) accounts: Vec<SelectOption>,
    pub(super) kinds: Vec<SelectOption>,
    pub(super) fields: Vec<FormField>,
    /// Field and message: errors of the account, the kind and the file, and of fields that the form does
    /// not have.
    pub(super) errors: Vec<(String, String)>,
    /// About the media.
    pub(super) warnings: Vec<String>,
    /// The result for a file that was only checked.
    pub(super) report: Option<ImportView>,
}

const FIELDS: [FieldText; 6] = [
    ("name", "Name", "text", "Summer sale", REQUIRED),
    (
        "media",
        "Link to the image or video",
        "url",
        "https://…",
        "or a column media_url",
    ),
    ("caption", "Caption", "text", "Hello {{name}}, …", ""),
    (
        "rate",
        "Messages per second",
        "text",
        "as the account allows",
        "",
    ),
    ("send_at", "Start at", "datetime-local", "", ""),
    (
        "send_before",
        "Expires after",
        "text",
        "2h, or 2026-12-01T18:00:00Z",
        "",
    ),
];

impl CampaignForm {
    pub(super) fn empty(services: &Services) -> Self {
        Self::of(services, &UploadForm::default())
    }

    pub(super) fn of(services: &Services, given: &UploadForm) -> Self {
        let option = |value: String, chosen: &str| SelectOption {
            selected: value == chosen,
            label: value.clone(),
            value,
        };
        let accounts = services.accounts.keys();
        Self {
            warnings: Vec::new(),
            accounts: accounts
                .map(|account| option(account.to_string(), given.text("account")))
                .collect(),
            kinds: MediaKind::ALL
                .map(|kind| option(kind.to_string(), given.text("kind")))
                .to_vec(),
            fields: FIELDS.map(|text| FormField::new(text, given)).to_vec(),
            errors: Vec::new(),
            report: None,
        }
    }

    /// With each error at its field.
    pub(super) fn with_errors(mut self, errors: &[InvalidField]) -> Self {
        for error in errors {
            let name = match error.field.as_str() {
                "media.url" | "media.mime_type" => "media",
                other => other,
            };
            match self.fields.iter_mut().find(|field| field.name == name) {
                Some(field) => field.error = Some(error.message.clone()),
                None => self
                    .errors
                    .push((error.field.clone(), error.message.clone())),
            }
        }
        self
    }

    /// The error of the account, the kind or the file.
    pub(super) fn error_of(&self, name: &str) -> Option<&str> {
        let mut errors = self.errors.iter();
        let (_, message) = errors.find(|(field, _)| field == name)?;
        Some(message)
    }

    /// Errors of fields that the form does not have.
    pub(super) fn other_errors(&self) -> impl Iterator<Item = &(String, String)> {
        let places = ["account", "kind", "file"];
        let errors = self.errors.iter();
        errors.filter(move |(field, _)| !places.contains(&field.as_str()))
    }

    pub(super) fn has_errors(&self) -> bool {
        !self.errors.is_empty() || self.fields.iter().any(|field| field.error.is_some())
    }
}
