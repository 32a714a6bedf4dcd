//! Finds the placeholder that a callback template sends instead of a message id.

use serde_json::Value;

use crate::domain::callback_fields::CallbackFields;
use crate::domain::placeholder::is_placeholder;

/// Names of message ids, in lower case, without `_` and `-`.
const NAMES: &[&str] = &[
    "externalid",
    "id",
    "messageid",
    "msgid",
    "uuid",
    "wamessageid",
    "wamid",
    "whatsappid",
    "whatsappmessageid",
];

/// The first placeholder instead of a message id, in outer objects before inner ones.
pub(super) fn find(payload: &Value, fields: &CallbackFields) -> Option<String> {
    let own = payload.as_object().and_then(|object| {
        object.iter().find_map(|(name, value)| {
            let text = value.as_str().map(str::trim)?;
            let is_id = is_id_name(name) || fields.id.as_deref() == Some(name.as_str());
            (is_id && !text.is_empty() && is_placeholder(text)).then(|| text.to_owned())
        })
    });
    own.or_else(|| match payload {
        Value::Object(object) => object.values().find_map(|inner| find(inner, fields)),
        Value::Array(elements) => elements.iter().find_map(|inner| find(inner, fields)),
        _ => None,
    })
}

/// Whether a member of this name has a message id.
pub(super) fn is_id_name(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .flat_map(char::to_lowercase)
        .collect();
    NAMES.contains(&plain.as_str())
}
