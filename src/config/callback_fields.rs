//! The names that an operator chose in a provider's callback profiles.

use std::collections::BTreeMap;

use crate::config::reading::Section;
use crate::domain::callback_fields::CallbackFields;

/// The longest name, in characters.
const NAME_LIMIT: usize = 64;

/// Reads the table `callback_fields`.
pub(super) fn read_callback_fields(section: &mut Section<'_, '_>) -> CallbackFields {
    let fields = CallbackFields {
        id: section.parse("id", parse_name),
        status: section.parse("status", parse_name),
        time: section.parse("time", parse_name),
        recipient: section.parse("recipient", parse_name),
        reference: section.parse("ref", parse_name),
        reference1: section.parse("ref1", parse_name),
        reference2: section.parse("ref2", parse_name),
        error: section.parse("error", parse_name),
        price: section.parse("price", parse_name),
    };
    let mut taken = BTreeMap::new();
    for (key, name) in fields.named() {
        let Some(name) = name else { continue };
        if let Some(other) = taken.insert(name, key) {
            section.problem(key, format!("`{name}` is the name of `{other}` already"));
        }
    }
    fields
}

fn parse_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.contains(['<', '>', '{', '}']) {
        return Err(format!(
            "`{name}` looks like a variable; write the name that stands before it"
        ));
    }
    if name.chars().count() > NAME_LIMIT || name.contains(char::is_control) {
        return Err(format!("is not a name of at most {NAME_LIMIT} characters"));
    }
    Ok(name.to_owned())
}
