//! The ids of the customer whose data is erased or exported.

use std::collections::BTreeSet;

use crate::domain::phone;
use crate::domain::phone_text::parse_user_id;
use crate::domain::recipient_spelling;
use crate::operating::erasure::erasure_error::ErasureError;
use crate::sending::recipient_number;
use crate::store::Store;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identities {
    /// Digits of phone numbers, in all spellings, and user ids.
    pub all: BTreeSet<String>,
    /// Numbers that the customer had before, and that others may have now. They are not in `all`.
    pub former: usize,
}

impl Identities {
    pub fn phones(&self) -> impl Iterator<Item = &str> {
        let phones = self.all.iter().filter(|id| phone::are_digits(id));
        phones.map(String::as_str)
    }

    pub fn user_ids(&self) -> impl Iterator<Item = &str> {
        let others = self.all.iter().filter(|id| !phone::are_digits(id));
        others.map(String::as_str)
    }
}

/// Reads a number (a `wa_id` too) or a user id, and adds what callbacks link it with.
pub async fn find_identities(store: &Store, text: &str) -> Result<Identities, ErasureError> {
    let named = match parse_user_id(text) {
        Some(user_id) => user_id,
        None => recipient_number::parse_stored(text)
            .map(|number| number.digits().to_owned())
            .map_err(|error| ErasureError::InvalidIdentity(error.to_string()))?,
    };
    let start = recipient_spelling::spellings(&named);
    let held = store.find_person(None, &start).await?;
    let (current, former): (Vec<_>, Vec<_>) =
        held.into_iter().partition(|held| held.until.is_none());
    let current = current.iter().map(|held| held.identity.as_str());
    let all: BTreeSet<String> = current
        .chain(start.iter().map(String::as_str))
        .flat_map(recipient_spelling::spellings)
        .collect();
    let former: BTreeSet<String> = former
        .into_iter()
        .map(|held| held.identity)
        .filter(|identity| !all.contains(identity))
        .collect();
    Ok(Identities {
        all,
        former: former.len(),
    })
}
