//! The providers, and what each of them supports.

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use crate::domain::enum_words::{UnknownWord, enum_words};
use std::time::Duration;

use crate::domain::media::MediaKind;
use crate::domain::template::TemplateRules;

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
#[strum(serialize_all = "lowercase", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum ProviderId {
    /// sobot.in, by EffCode
    Sobot,
    /// kaleyra.io
    Kaleyra,
    /// zixflow.com, campaign API
    Zixflow,
    /// lancepilot.com
    LancePilot,
}
enum_words!(ProviderId, "a provider");

impl ProviderId {
    /// The brand name.
    pub fn title(self) -> &'static str {
        match self {
            Self::Sobot => "Sobot",
            Self::Kaleyra => "Kaleyra",
            Self::Zixflow => "Zixflow",
            Self::LancePilot => "LancePilot",
        }
    }
}

/// How media can be passed to a provider.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MediaSources {
    pub url: bool,
    pub id: bool,
    pub upload: bool,
}

/// An option that only one provider accepts in a send request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendOption {
    WaSource,
    Source,
    LinkWithRecord,
}

/// What a provider supports, according to its documentation.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent capabilities, named where a provider lists them"
)]
pub struct Capabilities {
    pub kinds: &'static [MediaKind],
    pub sources: MediaSources,
    pub recipient_name_required: bool,
    /// A message without a MIME type is rejected unless the URL's extension implies one.
    pub mime_type_required: bool,
    pub sender_required: bool,
    /// Whether callbacks echo references, so that one can carry the correlation tag.
    pub echoes_references: bool,
    pub options: &'static [SendOption],
    /// In bytes, inclusive.
    pub image_limit: u64,
    /// In bytes, inclusive.
    pub video_limit: u64,
    /// Documented delays before the second, third, … attempt, for a reply that asks for a retry
    /// without a time. Empty: our own back-off applies.
    pub retry_schedule: &'static [Duration],
    pub templates: TemplateRules,
}

impl Capabilities {
    /// In bytes, inclusive.
    pub fn size_limit(&self, kind: MediaKind) -> u64 {
        match kind {
            MediaKind::Image => self.image_limit,
            MediaKind::Video => self.video_limit,
        }
    }
}
