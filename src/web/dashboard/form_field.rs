//! A text field of a form, with what was typed and its error.

use crate::web::dashboard::upload_form::UploadForm;

#[derive(Clone, Debug)]
pub(super) struct FormField {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    /// Type of the `input`, or `textarea`.
    pub(super) kind: &'static str,
    pub(super) hint: &'static str,
    /// Beside the label; may be empty.
    pub(super) note: &'static str,
    pub(super) value: String,
    pub(super) error: Option<String>,
}

/// Name, label, type, hint, note.
pub(super) type FieldText = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

/// The note of a field that must not be empty.
pub(super) const REQUIRED: &str = "required";

impl FormField {
    /// Filled with what was typed.
    pub(super) fn new((name, label, kind, hint, note): FieldText, given: &UploadForm) -> Self {
        Self {
            name,
            label,
            kind,
            hint,
            note,
            value: given.text(name).to_owned(),
            error: None,
        }
    }

    pub(super) fn is_required(&self) -> bool {
        self.note == REQUIRED
    }
}
