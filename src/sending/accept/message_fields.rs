//! Validates all fields of a message at once and reports every invalid one by name.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::campaign::CampaignId;
use crate::domain::correlation_tag;
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::media::MediaKind;
use crate::domain::message::{MessageDraft, NAME_LIMIT, Origin, REFERENCE_LIMIT, References};
use crate::domain::phone_text::PhoneText;
use crate::domain::provider::Capabilities;
use crate::domain::provider_account::{Account, AccountMode};
use crate::providers;
use crate::sending::accept::accept_error::{AcceptError, InvalidField};
use crate::sending::accept::message_input::MessageInput;
use crate::sending::accept::{media_fields, option_fields, template_fields};
use crate::sending::expiry_text::{self, GivenExpiry};
use crate::sending::recipient_number;

pub(super) struct CheckedMessage<'a> {
    pub(super) account: &'a Account,
    pub(super) draft: MessageDraft,
    /// Overrides the account's.
    pub(super) send_before: Option<GivenExpiry>,
}

impl CheckedMessage<'_> {
    /// How long the message may stay queued.
    pub(super) fn time_left(&self, now: DateTime<Utc>) -> Result<TimeDelta, AcceptError> {
        let Some(given) = self.send_before else {
            let default = TimeDelta::from_std(self.account.max_queue_time);
            return Ok(default.unwrap_or(TimeDelta::MAX));
        };
        given.time_left(now).map_err(|message| {
            AcceptError::Invalid(vec![InvalidField::new("send_before", message)])
        })
    }
}

pub(super) fn check_message<'a>(
    input: &MessageInput,
    accounts: &'a BTreeMap<AccountId, Account>,
    id: MessageId,
) -> Result<CheckedMessage<'a>, Vec<InvalidField>> {
    let mut errors = Vec::new();
    let account = find_account(&input.account, accounts, &mut errors);
    let kind = parse_kind(&input.kind, &mut errors);
    reject_nul(input, &mut errors);
    let Some(account) = account else {
        // Without an account only the format of the number can be checked.
        collect_error(recipient_number::parse(&input.to, None), "to", &mut errors);
        return Err(errors);
    };
    let provider = account.provider();
    let capabilities = providers::get(provider).capabilities();
    let sender = find_sender(input, account, capabilities, &mut errors);
    let recipient = recipient_number::parse(&input.to, account.default_country.as_deref());
    let recipient = collect_error(recipient, "to", &mut errors);
    let name = check_name(input, account, capabilities, &mut errors);
    let media = media_fields::check_media(input, kind, provider, capabilities, &mut errors);
    let references = check_references(input, account, capabilities, id, &mut errors);
    check_length(
        "client_reference",
        input.client_reference.as_deref(),
        &mut errors,
    );
    let options = option_fields::check_options(input, account, capabilities, &mut errors);
    let campaign = input
        .campaign
        .as_deref()
        .and_then(|text| collect_error(text.parse::<CampaignId>(), "campaign", &mut errors));
    let template = template_fields::check_template(input, provider, capabilities, &mut errors);
    let send_before = input
        .send_before
        .as_deref()
        .and_then(|text| collect_error(expiry_text::parse(text), "send_before", &mut errors));
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
        client_reference: input
            .client_reference
            .clone()
            .filter(|text| !text.is_empty()),
        options,
        resend_of: input.resend.as_ref().map(|resend| resend.of),
        campaign,
        template,
    };
    Ok(CheckedMessage {
        account,
        draft,
        send_before,
    })
}

pub(super) fn find_account<'a>(
    text: &str,
    accounts: &'a BTreeMap<AccountId, Account>,
    errors: &mut Vec<InvalidField>,
) -> Option<&'a Account> {
    let account = text
        .parse::<AccountId>()
        .ok()
        .and_then(|id| accounts.get(&id));
    if account.is_none() {
        let configured: Vec<&str> = accounts.keys().map(AccountId::as_str).collect();
        let message = match (text.is_empty(), configured.is_empty()) {
            (_, true) => "is not configured; there are no accounts".to_owned(),
            (true, false) => format!("is missing; configured: {}", configured.join(", ")),
            (false, false) => format!(
                "`{text}` is not configured; configured: {}",
                configured.join(", ")
            ),
        };
        errors.push(InvalidField::new("account", message));
    }
    account
}

pub(super) fn parse_kind(text: &str, errors: &mut Vec<InvalidField>) -> Option<MediaKind> {
    if text.is_empty() {
        let words = MediaKind::ALL.map(MediaKind::as_str).join(" or ");
        errors.push(InvalidField::new(
            "kind",
            format!("is missing; use {words}"),
        ));
        return None;
    }
    collect_error(text.parse(), "kind", errors)
}

pub(super) fn collect_error<T, E: std::fmt::Display>(
    parsed: Result<T, E>,
    field: &str,
    errors: &mut Vec<InvalidField>,
) -> Option<T> {
    parsed
        .map_err(|error| errors.push(InvalidField::new(field, error.to_string())))
        .ok()
}

/// PostgreSQL cannot store NUL in text.
fn reject_nul(input: &MessageInput, errors: &mut Vec<InvalidField>) {
    let fields = [
        ("to", Some(&input.to)),
        ("from", input.from.as_ref()),
        ("name", input.recipient_name.as_ref()),
        ("caption", input.caption.as_ref()),
        ("media.url", input.media_url.as_ref()),
        ("media.id", input.media_id.as_ref()),
        ("refs.ref", input.references.reference.as_ref()),
        ("refs.ref1", input.references.reference1.as_ref()),
        ("refs.ref2", input.references.reference2.as_ref()),
        ("client_reference", input.client_reference.as_ref()),
    ];
    for (field, _) in fields
        .into_iter()
        .filter(|(_, text)| text.is_some_and(|text| text.contains('\0')))
    {
        errors.push(InvalidField::new(field, "contains a NUL character"));
    }
}

fn find_sender(
    input: &MessageInput,
    account: &Account,
    capabilities: &Capabilities,
    errors: &mut Vec<InvalidField>,
) -> Option<String> {
    let Some(wanted) = &input.from else {
        if capabilities.sender_required && account.senders.is_empty() {
            errors.push(InvalidField::new(
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
    let given = [
        PhoneText::parse(wanted).ok().map(|number| number.digits),
        recipient_number::parse(wanted, account.default_country.as_deref())
            .ok()
            .map(|number| number.digits().to_owned()),
    ];
    let sender = account
        .senders
        .iter()
        .find(|sender| given.contains(&Some(digits(sender))));
    if sender.is_none() {
        let message = if account.senders.is_empty() {
            format!(
                "account {} has no senders configured; omit the field",
                account.id
            )
        } else {
            format!(
                "is not a sender of account {}; its senders: {}",
                account.id,
                account.senders.join(", ")
            )
        };
        errors.push(InvalidField::new("from", message));
    }
    sender.cloned()
}

fn check_name(
    input: &MessageInput,
    account: &Account,
    capabilities: &Capabilities,
    errors: &mut Vec<InvalidField>,
) -> Option<String> {
    let name = input
        .recipient_name
        .clone()
        .filter(|name| !name.trim().is_empty());
    let length = name.as_ref().map_or(0, |name| name.chars().count());
    if length > NAME_LIMIT {
        errors.push(InvalidField::new(
            "name",
            format!("has {length} characters; at most {NAME_LIMIT} are allowed"),
        ));
    }
    if name.is_none() && capabilities.recipient_name_required {
        let message = format!(
            "is missing; {} requires the recipient's name, 1 to {NAME_LIMIT} characters",
            account.provider().title()
        );
        errors.push(InvalidField::new("name", message));
    }
    name
}

pub(super) fn check_length(field: &str, text: Option<&str>, errors: &mut Vec<InvalidField>) {
    let length = text.map_or(0, |text| text.chars().count());
    if length > REFERENCE_LIMIT {
        errors.push(InvalidField::new(
            field,
            format!("has {length} characters; at most {REFERENCE_LIMIT} are allowed"),
        ));
    }
}

fn check_references(
    input: &MessageInput,
    account: &Account,
    capabilities: &Capabilities,
    id: MessageId,
    errors: &mut Vec<InvalidField>,
) -> References {
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let references = References {
        reference: filled(&input.references.reference),
        reference1: filled(&input.references.reference1),
        reference2: filled(&input.references.reference2),
    };
    let before = errors.len();
    check_length("refs.ref", references.reference.as_deref(), errors);
    check_length("refs.ref1", references.reference1.as_deref(), errors);
    check_length("refs.ref2", references.reference2.as_deref(), errors);
    if capabilities.echoes_references && errors.len() == before {
        collect_error(
            correlation_tag::insert_tag(account.correlation_slot, &references, id),
            "refs",
            errors,
        );
    }
    references
}
