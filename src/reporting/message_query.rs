//! A filter of messages before the caller and the time are known: what a query string, the command
//! line and a link can express. `filter_fields` parses and prints it.

use chrono::{DateTime, Utc};

use crate::domain::scope::Visibility;
use crate::reporting::search_text::SearchText;
use crate::store::messages::MessageFilter;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MessageQuery {
    /// Everything that depends neither on the caller nor on the time.
    pub filter: MessageFilter,
    /// Submitted, and no receipt within the account's deadline; or not.
    pub overdue: Option<bool>,
    pub search: Option<SearchText>,
}

impl MessageQuery {
    pub fn resolve(&self, visibility: Visibility, now: DateTime<Utc>) -> MessageFilter {
        let search = self.search.as_ref();
        MessageFilter {
            overdue_at: (self.overdue == Some(true)).then_some(now),
            on_time_at: (self.overdue == Some(false)).then_some(now),
            search: search.map_or_else(Vec::new, |text| {
                let recent = text.recent_suffix_search(visibility, now);
                text.meanings(visibility)
                    .into_iter()
                    .chain(recent)
                    .collect()
            }),
            ..self.filter.clone()
        }
    }
}
