//! The table `callback_fields`: field names that the operator chose in Kaleyra's callback profiles.

use std::collections::BTreeMap;

use crate::config::table_reader::TableReader;
use crate::domain::callback_fields::CallbackFields;

const MAX_NAME_CHARACTERS: usize = 64;

pub(super) fn read_callback_fields(table: &mut TableReader<'_, '_>) -> CallbackFields {
    let fields = CallbackFields {
        id: table.parse("id", parse_name),
        status: table.parse("status", parse_name),
        time: table.parse("time", parse_name),
        recipient: table.parse("recipient", parse_name),
        reference: table.parse("ref", parse_name),
        reference1: table.parse("ref1", parse_name),
        reference2: table.parse("ref2", parse_name),
        error: table.parse("error", parse_name),
        price: table.parse("price", parse_name),
    };
    let mut used_names = BTreeMap::new();
    for (key, name) in fields.by_key() {
        let Some(name) = name else { continue };
        if let Some(other) = used_names.insert(name, key) {
            table.problem(key, format!("`{name}` is already the name of `{other}`"));
        }
    }
    fields
}

fn parse_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.contains(['<', '>', '{', '}']) {
        return Err(format!(
            "`{name}` looks like a variable of the profile; give the name of the field that contains it"
        ));
    }
    if name.chars().count() > MAX_NAME_CHARACTERS || name.contains(char::is_control) {
        return Err(format!(
            "is not a name of at most {MAX_NAME_CHARACTERS} characters"
        ));
    }
    Ok(name.to_owned())
}
