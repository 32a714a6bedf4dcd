//! Text as pages show it to a viewer, masked where `domain::scope` requires it.

use crate::domain::ids::ProviderMessageId;
use crate::domain::media::{Media, MediaSource};
use crate::domain::scope::Visibility;
use crate::web::dashboard::visible_text::visible_line;

const HIDDEN: &str = "hidden";

impl Visibility {
    /// A phone number, or any other recipient that a callback named.
    pub(super) fn phone(self, text: &str) -> String {
        visible_line(&self.mask_phone(text))
    }

    pub(super) fn provider_id(self, id: &ProviderMessageId) -> String {
        visible_line(&self.mask_id(id))
    }

    /// A name or caption.
    pub(super) fn personal(self, text: &str) -> String {
        match self {
            Self::Full => visible_line(text),
            Self::Masked => HIDDEN.to_owned(),
        }
    }

    /// Text of a provider, which may contain a number or an id.
    pub(super) fn quoted(self, text: &str) -> String {
        visible_line(&self.mask_text(text))
    }

    pub(super) fn failure_code(self, code: &str) -> String {
        visible_line(&self.mask_code(code))
    }

    /// A link only for an http(s) URL that the viewer may see.
    pub(super) fn media(self, media: &Media) -> MediaText {
        match (&media.source, self) {
            (MediaSource::Url(address), Self::Full) => MediaText {
                text: visible_line(address),
                link: web_address(address).map(|_| address.clone()),
            },
            (MediaSource::Url(address), Self::Masked) => MediaText {
                text: web_address(address)
                    .and_then(|url| url.host_str().map(str::to_owned))
                    .unwrap_or_else(|| HIDDEN.to_owned()),
                link: None,
            },
            (MediaSource::Id(id), Self::Full) => {
                MediaText::plain(format!("asset {}", visible_line(id)))
            }
            (MediaSource::Id(_), Self::Masked) => {
                MediaText::plain("asset of the provider".to_owned())
            }
            (MediaSource::Upload(upload), _) => MediaText::plain(format!(
                "uploaded file, {}",
                crate::reporting::number_format::size(upload.size)
            )),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MediaText {
    pub text: String,
    pub link: Option<String>,
}

impl MediaText {
    fn plain(text: String) -> Self {
        Self { text, link: None }
    }
}

fn web_address(text: &str) -> Option<url::Url> {
    url::Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::media::MediaKind;

    fn media(address: &str) -> Media {
        Media {
            kind: MediaKind::Image,
            source: MediaSource::Url(address.to_owned()),
            mime_type: None,
            caption: None,
        }
    }

    #[test]
    fn without_the_scope_a_number_shows_only_its_ends() {
        assert_eq!(Visibility::Masked.phone("919970123456"), "9199•••••456");
        assert_eq!(Visibility::Masked.phone("+919970123456"), "9199•••••456");
        assert_eq!(Visibility::Full.phone("919970123456"), "+919970123456");
        assert_eq!(Visibility::Full.phone("user-17"), "user-17");
    }

    #[test]
    fn quoted_words_hide_numbers_and_wamids_inside() {
        assert_eq!(
            Visibility::Masked
                .quoted("Recipient 919970123456 of wamid.HBgMOTE5OTcwMTIzNDU2 code 131026"),
            "Recipient 9199•••••456 of wamid.…MTIzNDU2 code 131026"
        );
    }

    #[test]
    fn only_web_addresses_become_links() {
        let shown = Visibility::Full.media(&media("javascript:alert(1)"));
        assert_eq!(shown.link, None);
        let shown = Visibility::Masked.media(&media("https://cdn.example.com/a.jpg?t=secret"));
        assert_eq!((shown.text.as_str(), shown.link), ("cdn.example.com", None));
    }
}
