//! The form that resends a message. It warns if the resend would probably fail again, and offers other
//! media where they can help.

use crate::domain::media::MediaKind;
use crate::domain::message::Message;
use crate::domain::scope::{Caller, Scope};
use crate::operating::message_actions::resend_forecast::{MediaChoice, ResendForecast};
use crate::sending::accept::InvalidField;
use crate::web::dashboard::filter_form::SelectOption;
use crate::web::dashboard::upload_form::UploadForm;

#[derive(Clone, Debug, Default)]
pub(super) struct MessageResendForm {
    /// Whether it would probably fail again; the next steps on the page say why, and what to do.
    pub(super) is_warned: bool,
    /// `/send` with the content of the message, where a template is needed.
    pub(super) send_url: Option<String>,
    pub(super) offers_media: bool,
    pub(super) requires_media: bool,
    /// `image` or `video`.
    pub(super) kind: &'static str,
    pub(super) types: Vec<SelectOption>,
    /// As typed.
    pub(super) link: String,
    pub(super) link_error: Option<String>,
    pub(super) file_error: Option<String>,
    /// Errors of fields that the form does not have.
    pub(super) errors: Vec<String>,
}

impl MessageResendForm {
    pub(super) fn new(message: &Message, forecast: &ResendForecast, caller: &Caller) -> Self {
        let kind = message.kind.unwrap_or(MediaKind::Image);
        let may_send = caller.require(Scope::Send).is_ok();
        Self {
            is_warned: forecast.would_fail,
            send_url: (may_send && forecast.needs_template)
                .then(|| format!("/send?like={}", message.id)),
            offers_media: forecast.media != MediaChoice::Same,
            requires_media: forecast.media == MediaChoice::Required,
            kind: kind.as_str(),
            types: type_options(kind, ""),
            ..Self::default()
        }
    }

    pub(super) fn has_errors(&self) -> bool {
        self.link_error.is_some() || self.file_error.is_some() || !self.errors.is_empty()
    }

    /// Keeps what was typed; a browser forgets the file.
    pub(super) fn show_errors(&mut self, given: &UploadForm, errors: Vec<InvalidField>) {
        given.text("media.url").clone_into(&mut self.link);
        for option in &mut self.types {
            option.selected = option.value == given.text("media.mime_type");
        }
        for error in errors {
            let place = match error.field.as_str() {
                "media" | "media.url" => &mut self.link_error,
                "file" => &mut self.file_error,
                _ => {
                    self.errors
                        .push(format!("{} {}", error.field, error.message));
                    continue;
                }
            };
            place.get_or_insert(error.message);
        }
    }
}

fn type_options(kind: MediaKind, chosen: &str) -> Vec<SelectOption> {
    let types = ["from its extension"]
        .into_iter()
        .map(|label| (String::new(), label.to_owned()))
        .chain(
            kind.mime_types()
                .iter()
                .map(|known| (known.to_string(), known.to_string())),
        );
    types
        .map(|(value, label)| SelectOption {
            selected: value == chosen,
            label,
            value,
        })
        .collect()
}
