//! Registers a message that was sent by other means, so that reports on it find it and callers see their own references.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::ids::{AccountId, MessageId, ProviderMessageId};
use crate::domain::media::MediaKind;
use crate::domain::message::References;
use crate::domain::provider_account::Account;
use crate::domain::rfc3339;
use crate::sending::accept::check::{check_length, find_account, keep};
use crate::sending::accept::{AcceptError, FieldError, recipient};
use crate::store::Store;
use crate::store::ledger::{RecipientGiven, Registration};

/// A message sent by other means, as a caller describes it; nothing is checked yet.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Observation {
    /// Account id.
    pub account: String,
    /// The id that the provider gave it.
    pub provider_id: String,
    /// The customer's number.
    pub to: Option<String>,
    /// `image` or `video`.
    pub kind: Option<String>,
    /// The caller's texts.
    pub references: References,
    /// The caller's own reference.
    pub client_reference: Option<String>,
    /// When it was sent, RFC 3339, where that is known.
    pub sent_at: Option<String>,
}

/// What became of a registration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registered {
    /// The message.
    pub id: MessageId,
    /// Whether it was listed before.
    pub familiarity: Familiarity,
    /// What of the registration contradicts what was known, by field.
    pub warnings: Vec<String>,
}

/// Whether a registered message was listed before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Familiarity {
    /// It is listed from now on; known from callbacks before or not at all.
    New,
    /// It was listed before.
    Known,
}

/// Registers it.
pub async fn register(
    store: &Store,
    accounts: &BTreeMap<AccountId, Account>,
    observation: &Observation,
    now: DateTime<Utc>,
) -> Result<Registered, AcceptError> {
    let registration = check(observation, accounts, now).map_err(AcceptError::Invalid)?;
    let mut ledger = store.ledger_for_caller(now).await?;
    match ledger.register(&registration).await {
        Ok(entered) => {
            store.commit(ledger).await?;
            Ok(Registered {
                id: entered.id,
                familiarity: if entered.was_listed {
                    Familiarity::Known
                } else {
                    Familiarity::New
                },
                warnings: warning(entered.recipient).into_iter().collect(),
            })
        }
        Err(error) => {
            ledger.roll_back().await;
            Err(error.into())
        }
    }
}

fn warning(recipient: RecipientGiven) -> Option<String> {
    let words = match recipient {
        RecipientGiven::Fits => return None,
        RecipientGiven::Dropped => {
            "to: this id belongs to a message to another number; that one stays"
        }
        RecipientGiven::Replaces => {
            "to: reports on this id name another number; yours is shown from now on"
        }
    };
    Some(words.to_owned())
}

fn check(
    observation: &Observation,
    accounts: &BTreeMap<AccountId, Account>,
    now: DateTime<Utc>,
) -> Result<Registration, Vec<FieldError>> {
    let mut errors = Vec::new();
    let account = find_account(&observation.account, accounts, &mut errors);
    let country = account.and_then(|account| account.default_country.as_deref());
    let provider_id = ProviderMessageId::parse(&observation.provider_id);
    let provider_id = keep(provider_id, "provider_id", &mut errors);
    let customer = observation
        .to
        .as_deref()
        .and_then(|to| keep(recipient::parse(to, country), "to", &mut errors));
    let kind = observation
        .kind
        .as_deref()
        .and_then(|kind| keep(kind.parse::<MediaKind>(), "kind", &mut errors));
    check_texts(observation, &mut errors);
    let sent_at = observation
        .sent_at
        .as_deref()
        .and_then(|text| keep(rfc3339::parse(text), "sent_at", &mut errors));
    if sent_at.is_some_and(|at| at > now + TimeDelta::days(1)) {
        errors.push(FieldError::new("sent_at", "lies in the future"));
    }
    if sent_at.is_some_and(|at| at.timestamp() < 0) {
        errors.push(FieldError::new("sent_at", "lies before 1970"));
    }
    let (Some(account), Some(provider_id), true) = (account, provider_id, errors.is_empty()) else {
        return Err(errors);
    };
    Ok(Registration {
        account: account.id.clone(),
        provider: account.provider(),
        provider_id,
        recipient: customer.map(|number| number.digits().to_owned()),
        kind,
        references: observation.references.clone(),
        client_reference: observation.client_reference.clone(),
        sent_at,
        silence_limit: TimeDelta::from_std(account.deadline).unwrap_or(TimeDelta::hours(24)),
    })
}

fn check_texts(observation: &Observation, errors: &mut Vec<FieldError>) {
    let references = &observation.references;
    for (field, text) in [
        ("refs.ref", references.reference.as_deref()),
        ("refs.ref1", references.reference1.as_deref()),
        ("refs.ref2", references.reference2.as_deref()),
        ("client_reference", observation.client_reference.as_deref()),
        ("provider_id", Some(observation.provider_id.as_str())),
    ] {
        if field != "provider_id" {
            check_length(field, text, errors);
        }
        if text.is_some_and(|text| text.contains('\0')) {
            errors.push(FieldError::new(field, "holds a NUL character"));
        }
    }
}
