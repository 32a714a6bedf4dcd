//! Completes a filter with what only the database knows: the other ids of a customer, and what stands
//! before the numbers in references.

use std::borrow::Cow;

use crate::db::Error;
use crate::domain::phone;
use crate::domain::phone_text::is_user_id;
use crate::store::Store;
use crate::store::messages::message_filter::{MessageFilter, Search};

/// Fewer digits are the beginning of too many numbers.
const MIN_NUMBER_DIGITS: usize = 4;

impl Store {
    pub(super) async fn complete_filter<'f>(
        &self,
        filter: &'f MessageFilter,
    ) -> Result<Cow<'f, MessageFilter>, Error> {
        let searched: Vec<String> = filter.search.iter().filter_map(whole_id).collect();
        let account = filter.account.as_ref();
        let mut completed = Cow::Borrowed(filter);
        if let Some(recipient) = &filter.recipient {
            let held = self
                .find_person(account, std::slice::from_ref(recipient))
                .await?;
            if !held.is_empty() {
                completed.to_mut().recipient_also = held.into_iter().collect();
            }
        }
        if !searched.is_empty() {
            let held = self.find_person(account, &searched).await?;
            if !held.is_empty() {
                let search = &mut completed.to_mut().search;
                search.extend(held.into_iter().map(Search::HeldId));
            }
        }
        if let Some(digits) = filter.search.iter().find_map(reference_number) {
            let beginnings = self.list_reference_beginnings().await?.into_iter();
            let numbers = beginnings.map(|text| Search::ReferencePrefix(format!("{text}{digits}")));
            completed.to_mut().search.extend(numbers);
        }
        Ok(completed)
    }
}

/// A whole phone number or user id that the search may mean.
fn whole_id(search: &Search) -> Option<String> {
    match search {
        Search::Phone(id) | Search::PhonePrefix(id) if phone::are_digits(id) || is_user_id(id) => {
            Some(id.clone())
        }
        _ => None,
    }
}

/// The first digits of the number at the end of a reference that the search may mean.
fn reference_number(search: &Search) -> Option<&str> {
    match search {
        Search::ReferencePrefix(text)
            if text.len() >= MIN_NUMBER_DIGITS && text.bytes().all(|c| c.is_ascii_digit()) =>
        {
            Some(text)
        }
        _ => None,
    }
}
