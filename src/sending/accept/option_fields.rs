//! Validates the provider options of a message.

use serde_json::Value;

use crate::domain::message::SendOptions;
use crate::domain::provider::{Capabilities, SendOption};
use crate::domain::provider_account::Account;
use crate::providers::kaleyra::WA_SOURCES;
use crate::sending::accept::accept_error::InvalidField;
use crate::sending::accept::message_input::MessageInput;

pub(super) fn check_options(
    input: &MessageInput,
    account: &Account,
    capabilities: &Capabilities,
    errors: &mut Vec<InvalidField>,
) -> SendOptions {
    let mut options = SendOptions::default();
    for (name, value) in &input.options {
        let field = format!("options.{name}");
        let option = match name.as_str() {
            "wa_source" => Some(SendOption::WaSource),
            "source" => Some(SendOption::Source),
            "linkWithRecord" => Some(SendOption::LinkWithRecord),
            _ => None,
        };
        let Some(option) = option.filter(|option| capabilities.options.contains(option)) else {
            errors.push(InvalidField::new(
                &field,
                format!("is not an option of {}", account.provider().title()),
            ));
            continue;
        };
        match (option, value) {
            (SendOption::WaSource, Value::String(text)) if WA_SOURCES.contains(&text.as_str()) => {
                options.wa_source = Some(text.clone());
            }
            (SendOption::WaSource, _) => {
                let message = format!(
                    "{value} is not a source of Kaleyra; use one of {}",
                    WA_SOURCES.join(", ")
                );
                errors.push(InvalidField::new(&field, message));
            }
            (SendOption::Source, Value::String(text))
                if !text.is_empty() && text.chars().count() <= 255 && !text.contains('\0') =>
            {
                options.source = Some(text.clone());
            }
            (SendOption::Source, _) => errors.push(InvalidField::new(
                &field,
                "is not a string of 1 to 255 characters",
            )),
            (SendOption::LinkWithRecord, Value::Bool(given)) => {
                options.link_with_record = Some(*given);
            }
            (SendOption::LinkWithRecord, _) => {
                errors.push(InvalidField::new(
                    &field,
                    format!("{value} is not true or false"),
                ));
            }
        }
    }
    if options.link_with_record == Some(true) && !input.options.contains_key("source") {
        errors.push(InvalidField::new(
            "options.source",
            "is missing; linkWithRecord: true requires it",
        ));
    }
    options
}
