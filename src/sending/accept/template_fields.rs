//! Validates the template of a message: name, language, values of variables and buttons.

use crate::domain::provider::{Capabilities, ProviderId};
use crate::domain::template::{
    BUTTONS_LIMIT, ButtonKind, TEMPLATE_NAME_LIMIT, Template, TemplateButton, TemplateRules,
    VARIABLE_LIMIT,
};
use crate::sending::accept::accept_error::InvalidField;
use crate::sending::accept::message_input::{ButtonInput, MessageInput, TemplateInput};

/// WhatsApp refuses a value with more consecutive spaces.
const SPACES_LIMIT: usize = 4;

/// Adds to `errors` if a field is invalid; `None` for a free-form message.
pub(super) fn check_template(
    input: &MessageInput,
    provider: ProviderId,
    capabilities: &Capabilities,
    errors: &mut Vec<InvalidField>,
) -> Option<Template> {
    let given = input.template.as_ref()?;
    let rules = &capabilities.templates;
    if input.caption.as_ref().is_some_and(|text| !text.is_empty()) {
        errors.push(InvalidField::new(
            "caption",
            "is not possible with a template, whose text was approved; use template.body",
        ));
    }
    check_name(&given.name, provider, rules, errors);
    let language = check_language(given, provider, rules, errors);
    check_body(&given.body, provider, rules, errors);
    let buttons = check_buttons(&given.buttons, provider, rules, errors);
    Some(Template {
        name: given.name.clone(),
        language,
        body: given.body.clone(),
        buttons,
    })
}

fn check_name(
    name: &str,
    provider: ProviderId,
    rules: &TemplateRules,
    errors: &mut Vec<InvalidField>,
) {
    let title = provider.title();
    let message = if name.is_empty() {
        if rules.name_is_number {
            format!("is missing; {title} takes the template's numeric id")
        } else {
            "is missing; use the name of an approved template".to_owned()
        }
    } else if rules.name_is_number {
        match name.parse::<u32>() {
            Ok(1..) if name.bytes().all(|byte| byte.is_ascii_digit()) => return,
            _ => format!("`{name}` is not a number; {title} takes the template's numeric id"),
        }
    } else if name.chars().count() > TEMPLATE_NAME_LIMIT {
        let length = name.chars().count();
        format!("has {length} characters; WhatsApp allows {TEMPLATE_NAME_LIMIT}")
    } else if !name
        .bytes()
        .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    {
        format!(
            "`{name}` is not a template name; WhatsApp allows lower-case letters, digits and underscores"
        )
    } else {
        return;
    };
    errors.push(InvalidField::new("template.name", message));
}

fn check_language(
    given: &TemplateInput,
    provider: ProviderId,
    rules: &TemplateRules,
    errors: &mut Vec<InvalidField>,
) -> Option<String> {
    let language = given.language.clone().filter(|text| !text.is_empty());
    let example = "such as en or pt_BR";
    match &language {
        None if rules.name_is_number => {}
        None => {
            let title = provider.title();
            let message = format!("is missing; {title} requires the template's code, {example}");
            errors.push(InvalidField::new("template.language", message));
        }
        Some(code) if !is_language_code(code) => {
            let message = format!("`{code}` is not a language code {example}");
            errors.push(InvalidField::new("template.language", message));
        }
        Some(_) => {}
    }
    language
}

/// `en`, `fil`, `pt_BR`, `zh_CN`, `es_419`.
fn is_language_code(code: &str) -> bool {
    let (language, region) = match code.split_once('_') {
        Some((language, region)) => (language, Some(region)),
        None => (code, None),
    };
    let is_region = |text: &str| {
        (2..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    (2..=3).contains(&language.len())
        && language.bytes().all(|byte| byte.is_ascii_lowercase())
        && region.is_none_or(is_region)
}

fn check_body(
    body: &[String],
    provider: ProviderId,
    rules: &TemplateRules,
    errors: &mut Vec<InvalidField>,
) {
    if let Some(limit) = rules.body_limit.filter(|limit| body.len() > *limit) {
        let message = format!(
            "has {} values; {} allows {limit}",
            body.len(),
            provider.title()
        );
        errors.push(InvalidField::new("template.body", message));
        return;
    }
    for (index, value) in body.iter().enumerate() {
        check_value(&format!("template.body[{index}]"), value, errors);
    }
}

fn check_value(field: &str, value: &str, errors: &mut Vec<InvalidField>) {
    let length = value.chars().count();
    let message = if value.trim().is_empty() {
        "is empty; WhatsApp refuses an empty value".to_owned()
    } else if length > VARIABLE_LIMIT {
        format!("has {length} characters; WhatsApp allows {VARIABLE_LIMIT}")
    } else if value.chars().any(char::is_control) {
        "contains a line break, a tab or another control character; WhatsApp refuses it".to_owned()
    } else if value.contains(&" ".repeat(SPACES_LIMIT + 1)) {
        format!("has more than {SPACES_LIMIT} spaces in a row; WhatsApp refuses it")
    } else {
        return;
    };
    errors.push(InvalidField::new(field, message));
}

fn check_buttons(
    given: &[ButtonInput],
    provider: ProviderId,
    rules: &TemplateRules,
    errors: &mut Vec<InvalidField>,
) -> Vec<TemplateButton> {
    let title = provider.title();
    let limit = rules.button_limit.min(BUTTONS_LIMIT);
    if given.len() > limit {
        let message = format!("has {} buttons; {title} allows {limit}", given.len());
        errors.push(InvalidField::new("template.buttons", message));
        return Vec::new();
    }
    let mut buttons: Vec<TemplateButton> = Vec::new();
    for (place, button) in given.iter().enumerate() {
        let field = format!("template.buttons[{place}]");
        let kind = match button.kind.parse::<ButtonKind>() {
            Ok(kind) => kind,
            Err(error) => {
                let field = format!("{field}.type");
                errors.push(InvalidField::new(&field, error.to_string()));
                continue;
            }
        };
        if !rules.buttons.contains(&kind) {
            let kinds: Vec<&str> = rules.buttons.iter().map(|kind| kind.as_str()).collect();
            let message = format!(
                "{title} takes no value of a {kind} button; it takes {}",
                kinds.join(", ")
            );
            errors.push(InvalidField::new(&format!("{field}.type"), message));
        }
        let index = button.index.or_else(|| u8::try_from(place).ok());
        let index = index.unwrap_or(u8::MAX);
        if usize::from(index) >= limit {
            let message = format!("is {index}; {title} allows 0 to {}", limit - 1);
            errors.push(InvalidField::new(&format!("{field}.index"), message));
        }
        if buttons.iter().any(|other| other.index == index) {
            let message = format!("{index} is given twice");
            errors.push(InvalidField::new(&format!("{field}.index"), message));
        }
        check_value(&format!("{field}.value"), &button.value, errors);
        buttons.push(TemplateButton {
            kind,
            index,
            value: button.value.clone(),
        });
    }
    buttons
}
