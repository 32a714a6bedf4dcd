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
    /// How many numbers the customer had before. Others may have them now, so they are not in
    /// `all`.
    pub former_numbers: usize,
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

/// Parses a number (also a `wa_id`) or a user id, and adds the ids that callbacks link to it.
pub async fn find_identities(store: &Store, text: &str) -> Result<Identities, ErasureError> {
    let named = match parse_user_id(text) {
        Some(user_id) => user_id,
        None => recipient_number::parse_stored(text)
            .map(|number| number.digits().to_owned())
            .map_err(|error| ErasureError::InvalidIdentity(error.to_string()))?,
    };
    let start = recipient_spelling::spellings(&named);
    let links = store.find_person(None, &start).await?;
    let (current, former): (Vec<_>, Vec<_>) =
        links.into_iter().partition(|link| link.until.is_none());
    let current = current.iter().map(|link| link.identity.as_str());
    let all: BTreeSet<String> = current
        .chain(start.iter().map(String::as_str))
        .flat_map(recipient_spelling::spellings)
        .collect();
    let former: BTreeSet<String> = former
        .into_iter()
        .map(|link| link.identity)
        .filter(|identity| !all.contains(identity))
        .collect();
    Ok(Identities {
        all,
        former_numbers: former.len(),
    })
}
