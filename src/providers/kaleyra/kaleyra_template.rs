//! The template in Kaleyra's `messaging_object`: Meta's object, passed through.

use serde::Serialize;

use crate::domain::message::MessageDraft;
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

/// `None` for a free-form message.
pub(super) fn object(draft: &MessageDraft) -> Option<TemplateObject<'_>> {
    let template = draft.template.as_ref()?;
    let header = HeaderMedia::of(&draft.media.source)?;
    Some(TemplateObject {
        name: &template.name,
        language: Language {
            code: template.language.as_deref().unwrap_or_default(),
        },
        components: components(draft.media.kind, header, template, IndexFormat::Text),
    })
}
