//! Approved message templates with a media header: name, language, and the values of variables.

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use crate::domain::enum_words::{UnknownWord, enum_words};

/// In characters; WhatsApp's limit of template names.
pub const TEMPLATE_NAME_LIMIT: usize = 512;
/// In characters; WhatsApp's limit of a variable's value where the template has a header.
pub const VARIABLE_LIMIT: usize = 1024;
/// WhatsApp's limit of buttons in a template.
pub const BUTTONS_LIMIT: usize = 10;

/// The buttons that take a value when the template is sent.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    EnumString,
    IntoStaticStr,
    VariantArray,
    Display,
)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum ButtonKind {
    /// Opens a URL; the value replaces the variable at its end.
    Url,
    /// The value is returned when the customer presses the button.
    QuickReply,
    /// The value is copied.
    CopyCode,
}
enum_words!(ButtonKind, "a template button");

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TemplateButton {
    pub kind: ButtonKind,
    /// Its position among the template's buttons, from 0.
    pub index: u8,
    pub value: String,
}

/// The media of the message is the template's header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template {
    /// The approved name; at LancePilot the template's numeric id.
    pub name: String,
    /// Such as `en` or `pt_BR`; absent only where the provider identifies a translation by its id.
    pub language: Option<String>,
    /// Values of `{{1}}`, `{{2}}` … in the body.
    pub body: Vec<String>,
    pub buttons: Vec<TemplateButton>,
}

/// What a provider accepts in a template message, according to its documentation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TemplateRules {
    /// The template is identified by a number instead of name and language.
    pub name_is_number: bool,
    /// The most variables in the body, if the provider limits them.
    pub body_limit: Option<usize>,
    pub buttons: &'static [ButtonKind],
    /// The most buttons of a template.
    pub button_limit: usize,
}
