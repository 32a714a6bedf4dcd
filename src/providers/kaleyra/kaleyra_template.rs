//! The template in Kaleyra's `messaging_object`: Meta's object, passed through.

use serde::Serialize;

use crate::domain::media::MediaKind;
use crate::domain::template::Template;
use crate::providers::template_components::{Component, HeaderMedia, IndexFormat, components};

#[derive(Serialize)]
pub(super) struct TemplateObject<'a> {
    name: &'a str,
    language: Language<'a>,
    components: Vec<Component<'a>>,
}

#[derive(Serialize)]
struct Language<'a> {
    code: &'a str,
}

pub(super) fn object<'a>(
    kind: MediaKind,
    header: HeaderMedia<'a>,
    template: &'a Template,
) -> TemplateObject<'a> {
    TemplateObject {
        name: &template.name,
        language: Language {
            code: template.language.as_deref().unwrap_or_default(),
        },
        components: components(kind, header, template, IndexFormat::Text),
    }
}
