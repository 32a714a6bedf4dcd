//! Registers a message that was sent by another program, so that its reports and the caller's
//! references are shown.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::ids::{AccountId, MessageId, ProviderMessageId};
use crate::domain::media::MediaKind;
use crate::domain::message::References;
use crate::domain::message_warning::{MessageWarning, WarningCode};
use crate::domain::provider_account::Account;
use crate::domain::rfc3339;
use crate::sending::accept::accept_error::{AcceptError, InvalidField};
use crate::sending::accept::message_fields::{check_length, collect_error, find_account};
use crate::sending::recipient_number;
use crate::store::Store;
use crate::store::ledger::{RecipientComparison, Registration};

/// A message sent by another program. Not validated.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RegistrationRequest {
    pub account: String,
    pub provider_id: String,
    pub to: Option<String>,
    /// `image` or `video`.
    pub kind: Option<String>,
    pub references: References,
    pub client_reference: Option<String>,
    /// RFC 3339.
    pub sent_at: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegistrationResult {
    pub id: MessageId,
    pub listing: ListingStatus,
    /// Contradictions with what was known before, by field.
    pub warnings: Vec<MessageWarning>,
}

/// Whether a registered message was listed before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListingStatus {
    /// The message was unknown, or an orphan.
    New,
    AlreadyListed,
}

pub async fn register(
    store: &Store,
    accounts: &BTreeMap<AccountId, Account>,
    request: &RegistrationRequest,
    now: DateTime<Utc>,
) -> Result<RegistrationResult, AcceptError> {
    let registration = check(request, accounts, now).map_err(AcceptError::Invalid)?;
    let mut ledger = store.ledger_for_caller(now).await?;
    match ledger.register(&registration).await {
        Ok(None) => {
            ledger.roll_back().await;
            let reason = "is in callbacks about several messages, so it identifies none";
            let error = InvalidField::new("provider_id", reason);
            Err(AcceptError::Invalid(vec![error]))
        }
        Ok(Some(registered)) => {
            store.commit(ledger).await?;
            Ok(RegistrationResult {
                id: registered.id,
                listing: if registered.was_listed {
                    ListingStatus::AlreadyListed
                } else {
                    ListingStatus::New
                },
                warnings: warning(registered.recipient).into_iter().collect(),
            })
        }
        Err(error) => {
            ledger.roll_back().await;
            Err(error.into())
        }
    }
}

fn warning(recipient: RecipientComparison) -> Option<MessageWarning> {
    let text = match recipient {
        RecipientComparison::Same => return None,
        RecipientComparison::Ignored => {
            "to: this id belongs to a message to another number, which was kept"
        }
        RecipientComparison::Replaced => {
            "to: reports on this id name another number, which was replaced by yours"
        }
    };
    Some(MessageWarning::new(WarningCode::RecipientDiffers, text))
}

fn check(
    request: &RegistrationRequest,
    accounts: &BTreeMap<AccountId, Account>,
    now: DateTime<Utc>,
) -> Result<Registration, Vec<InvalidField>> {
    let mut errors = Vec::new();
    let account = find_account(&request.account, accounts, &mut errors);
    let country = account.and_then(|account| account.default_country.as_deref());
    let provider_id = ProviderMessageId::parse(&request.provider_id);
    let provider_id = collect_error(provider_id, "provider_id", &mut errors);
    let recipient = request
        .to
        .as_deref()
        .and_then(|to| collect_error(recipient_number::parse(to, country), "to", &mut errors));
    let kind = request
        .kind
        .as_deref()
        .and_then(|kind| collect_error(kind.parse::<MediaKind>(), "kind", &mut errors));
    check_texts(request, &mut errors);
    let sent_at = request
        .sent_at
        .as_deref()
        .and_then(|text| collect_error(rfc3339::parse(text), "sent_at", &mut errors));
    if sent_at.is_some_and(|at| at > now + TimeDelta::days(1)) {
        errors.push(InvalidField::new("sent_at", "is in the future"));
    }
    if sent_at.is_some_and(|at| at.timestamp() < 0) {
        errors.push(InvalidField::new("sent_at", "is before 1970"));
    }
    let (Some(account), Some(provider_id), true) = (account, provider_id, errors.is_empty()) else {
        return Err(errors);
    };
    Ok(Registration {
        account: account.id.clone(),
        provider: account.provider(),
        provider_id,
        recipient: recipient.map(|number| number.digits().to_owned()),
        kind,
        references: request.references.clone(),
        client_reference: request.client_reference.clone(),
        sent_at,
        silence_limit: TimeDelta::from_std(account.report_deadline).unwrap_or(TimeDelta::hours(24)),
    })
}

fn check_texts(request: &RegistrationRequest, errors: &mut Vec<InvalidField>) {
    let references = &request.references;
    for (field, text) in [
        ("refs.ref", references.reference.as_deref()),
        ("refs.ref1", references.reference1.as_deref()),
        ("refs.ref2", references.reference2.as_deref()),
        ("client_reference", request.client_reference.as_deref()),
        ("provider_id", Some(request.provider_id.as_str())),
    ] {
        if field != "provider_id" {
            check_length(field, text, errors);
        }
        if text.is_some_and(|text| text.contains('\0')) {
            errors.push(InvalidField::new(field, "contains a NUL character"));
        }
    }
}
