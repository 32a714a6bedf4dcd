//! From a caller's words to a draft: all wrong fields at once, by name.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::correlation_tag;
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::media::MediaKind;
use crate::domain::message::{
    MessageDraft, NAME_LIMIT, Origin, REFERENCE_LIMIT, References, SendOptions,
};
use crate::domain::phone::PhoneNumber;
use crate::domain::provider::{Capabilities, KnownOption};
use crate::domain::provider_account::{Account, AccountMode};
use crate::providers;
use crate::providers::kaleyra::WA_SOURCES;
use crate::sending::accept::{FieldError, Submission, media, recipient};

/// A checked message and the account it goes through.
pub(super) struct Checked<'a> {
    pub(super) account: &'a Account,
    pub(super) draft: MessageDraft,
    pub(super) warnings: Vec<String>,
}

/// Checks every field.
pub(super) fn check<'a>(
    submission: &Submission,
    accounts: &'a BTreeMap<AccountId, Account>,
    id: MessageId,
) -> Result<Checked<'a>, Vec<FieldError>> {
    let mut errors = Vec::new();
    let account = find_account(&submission.account, accounts, &mut errors);
    let kind = keep(submission.kind.parse::<MediaKind>(), "kind", &mut errors);
    refuse_nul(submission, &mut errors);
    let Some(account) = account else {
        // What can be said without an account.
        keep(recipient::parse(&submission.to, None), "to", &mut errors);
        return Err(errors);
    };
    let provider = account.provider();
    let capabilities = providers::get(provider).capabilities();
    let sender = find_sender(submission, account, capabilities, &mut errors);
    let recipient = recipient::parse(&submission.to, account.default_country.as_deref());
    let recipient = keep(recipient, "to", &mut errors);
    let name = check_name(submission, account, capabilities, &mut errors);
    let media = media::check(submission, kind, provider, capabilities, &mut errors);
    let references = check_references(submission, account, capabilities, id, &mut errors);
    check_length(
        "client_reference",
        submission.client_reference.as_deref(),
        &mut errors,
    );
    let options = check_options(submission, account, capabilities, &mut errors);
    let (Some(recipient), Some(media), true) = (recipient, media, errors.is_empty()) else {
        return Err(errors);
    };
    let draft = MessageDraft {
        account: account.id.clone(),
        provider,
        origin: if account.mode == AccountMode::DryRun {
            Origin::DryRun
        } else {
            Origin::Api
        },
        sender,
        recipient,
        name,
        media,
        references,
        client_reference: submission
            .client_reference
            .clone()
            .filter(|text| !text.is_empty()),
        options,
        resend_of: submission.resend.as_ref().map(|resend| resend.of),
    };
    Ok(Checked {
        account,
        draft,
        warnings: Vec::new(),
    })
}

pub(super) fn find_account<'a>(
    text: &str,
    accounts: &'a BTreeMap<AccountId, Account>,
    errors: &mut Vec<FieldError>,
) -> Option<&'a Account> {
    let found = text
        .parse::<AccountId>()
        .ok()
        .and_then(|id| accounts.get(&id));
    if found.is_none() {
        let known: Vec<&str> = accounts.keys().map(AccountId::as_str).collect();
        let message = match (text.is_empty(), known.is_empty()) {
            (_, true) => "no account is configured".to_owned(),
            (true, false) => format!("is missing; configured: {}", known.join(", ")),
            (false, false) => format!(
                "`{text}` is not configured; configured: {}",
                known.join(", ")
            ),
        };
        errors.push(FieldError::new("account", message));
    }
    found
}

pub(super) fn keep<T, E: std::fmt::Display>(
    parsed: Result<T, E>,
    field: &str,
    errors: &mut Vec<FieldError>,
) -> Option<T> {
    parsed
        .map_err(|error| errors.push(FieldError::new(field, error.to_string())))
        .ok()
}

/// PostgreSQL's text cannot hold it, and nobody means it.
fn refuse_nul(submission: &Submission, errors: &mut Vec<FieldError>) {
    let fields = [
        ("to", Some(&submission.to)),
        ("from", submission.from.as_ref()),
        ("name", submission.name.as_ref()),
        ("caption", submission.caption.as_ref()),
        ("media.url", submission.media_url.as_ref()),
        ("media.id", submission.media_id.as_ref()),
        ("refs.ref", submission.references.reference.as_ref()),
        ("refs.ref1", submission.references.reference1.as_ref()),
        ("refs.ref2", submission.references.reference2.as_ref()),
        ("client_reference", submission.client_reference.as_ref()),
    ];
    for (field, _) in fields
        .into_iter()
        .filter(|(_, text)| text.is_some_and(|text| text.contains('\0')))
    {
        errors.push(FieldError::new(field, "holds a NUL character"));
    }
}

fn find_sender(
    submission: &Submission,
    account: &Account,
    capabilities: &Capabilities,
    errors: &mut Vec<FieldError>,
) -> Option<String> {
    let Some(wanted) = &submission.from else {
        if capabilities.sender_required && account.senders.is_empty() {
            errors.push(FieldError::new(
                "from",
                format!("account {} has no sender configured", account.id),
            ));
        }
        return account.senders.first().cloned();
    };
    let digits = |text: &str| {
        text.chars()
            .filter(char::is_ascii_digit)
            .collect::<String>()
    };
    let is_number =
        PhoneNumber::parse(wanted).is_ok() || PhoneNumber::parse(&format!("+{wanted}")).is_ok();
    let found = account
        .senders
        .iter()
        .find(|sender| is_number && digits(sender) == digits(wanted));
    if found.is_none() {
        let message = if account.senders.is_empty() {
            format!(
                "account {} has no senders configured; leave it out",
                account.id
            )
        } else {
            format!(
                "is not a sender of account {}; its senders: {}",
                account.id,
                account.senders.join(", ")
            )
        };
        errors.push(FieldError::new("from", message));
    }
    found.cloned()
}

fn check_name(
    submission: &Submission,
    account: &Account,
    capabilities: &Capabilities,
    errors: &mut Vec<FieldError>,
) -> Option<String> {
    let name = submission
        .name
        .clone()
        .filter(|name| !name.trim().is_empty());
    let length = name.as_ref().map_or(0, |name| name.chars().count());
    if length > NAME_LIMIT {
        errors.push(FieldError::new(
            "name",
            format!("has {length} characters; at most {NAME_LIMIT} are allowed"),
        ));
    }
    if name.is_none() && capabilities.name_required {
        let message = format!(
            "is missing; {} requires the customer's name, 1 to {NAME_LIMIT} characters",
            account.provider().title()
        );
        errors.push(FieldError::new("name", message));
    }
    name
}

pub(super) fn check_length(field: &str, text: Option<&str>, errors: &mut Vec<FieldError>) {
    let length = text.map_or(0, |text| text.chars().count());
    if length > REFERENCE_LIMIT {
        errors.push(FieldError::new(
            field,
            format!("has {length} characters; at most {REFERENCE_LIMIT} are allowed"),
        ));
    }
}

fn check_references(
    submission: &Submission,
    account: &Account,
    capabilities: &Capabilities,
    id: MessageId,
    errors: &mut Vec<FieldError>,
) -> References {
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let references = References {
        reference: filled(&submission.references.reference),
        reference1: filled(&submission.references.reference1),
        reference2: filled(&submission.references.reference2),
    };
    let before = errors.len();
    check_length("refs.ref", references.reference.as_deref(), errors);
    check_length("refs.ref1", references.reference1.as_deref(), errors);
    check_length("refs.ref2", references.reference2.as_deref(), errors);
    if capabilities.carries_references && errors.len() == before {
        keep(
            correlation_tag::insert_tag(account.correlation_slot, &references, id),
            "refs",
            errors,
        );
    }
    references
}

fn check_options(
    submission: &Submission,
    account: &Account,
    capabilities: &Capabilities,
    errors: &mut Vec<FieldError>,
) -> SendOptions {
    let mut options = SendOptions::default();
    for (name, value) in &submission.options {
        let field = format!("options.{name}");
        let known = match name.as_str() {
            "wa_source" => Some(KnownOption::WaSource),
            "source" => Some(KnownOption::Source),
            "linkWithRecord" => Some(KnownOption::LinkWithRecord),
            _ => None,
        };
        let Some(known) = known.filter(|known| capabilities.options.contains(known)) else {
            errors.push(FieldError::new(
                &field,
                format!("is not an option of {}", account.provider().title()),
            ));
            continue;
        };
        match (known, value) {
            (KnownOption::WaSource, Value::String(text)) if WA_SOURCES.contains(&text.as_str()) => {
                options.wa_source = Some(text.clone());
            }
            (KnownOption::WaSource, _) => {
                let message = format!(
                    "{value} is not a source that Kaleyra knows; use one of {}",
                    WA_SOURCES.join(", ")
                );
                errors.push(FieldError::new(&field, message));
            }
            (KnownOption::Source, Value::String(text))
                if !text.is_empty() && text.chars().count() <= 255 && !text.contains('\0') =>
            {
                options.source = Some(text.clone());
            }
            (KnownOption::Source, _) => errors.push(FieldError::new(
                &field,
                "is not a text of 1 to 255 characters",
            )),
            (KnownOption::LinkWithRecord, Value::Bool(given)) => {
                options.link_with_record = Some(*given);
            }
            (KnownOption::LinkWithRecord, _) => {
                errors.push(FieldError::new(
                    &field,
                    format!("{value} is not true or false"),
                ));
            }
        }
    }
    if options.link_with_record == Some(true) && !submission.options.contains_key("source") {
        errors.push(FieldError::new(
            "options.source",
            "is missing; linkWithRecord true needs the source",
        ));
    }
    options
}
