//! A text field of a form, with what was typed and its error.

#[derive(Clone, Debug)]
pub(super) struct FormField {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    /// Type of the `input`, or `textarea`.
    pub(super) kind: &'static str,
    pub(super) hint: &'static str,
    pub(super) value: String,
    pub(super) error: Option<String>,
}
