//! Completes a filter that names a customer with the customer's other ids.

use std::borrow::Cow;

use crate::db::Error;
use crate::domain::phone;
use crate::domain::phone_text::is_user_id;
use crate::store::Store;
use crate::store::messages::message_filter::{MessageFilter, Search};

impl Store {
    pub(super) async fn with_other_ids<'f>(
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
