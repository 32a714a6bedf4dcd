//! The URLs of the callback list and of the replay preview, with their filters.

use chrono::NaiveDate;
use chrono_tz::Tz;

use crate::domain::account_limit::AccountLimit;
use crate::domain::callback_outcome::Outcome;
use crate::domain::ids::{AccountId, CallbackId};
use crate::reporting::callback_filter::{CALLBACK_FIELDS, CallbackFilter, print_callback_fields};
use crate::reporting::callback_list::CallbackQuery;
use crate::store::outcome_list::OutcomeFilter;
use crate::web::dashboard::message_list_url::start_of_day;
use crate::web::dashboard::page_url::{read_query, with_query};

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallbackListUrl {
    pub filter: CallbackFilter,
    /// The first day, in the zone of the page.
    pub since: Option<NaiveDate>,
    /// The last day, which is included.
    pub until: Option<NaiveDate>,
    /// A position in the journal.
    pub before: Option<i64>,
    /// Parameters that could not be parsed, as `name=value`. They filter nothing; the page lists
    /// them.
    pub ignored: Vec<String>,
}

impl CallbackListUrl {
    pub fn parse(query: &str) -> Self {
        let mut url = Self::default();
        url.ignored = read_query(query, |name, value| url.set_parameter(name, value));
        url
    }

    fn set_parameter(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "since" => self.since = Some(value.parse().ok()?),
            "until" => self.until = Some(value.parse().ok()?),
            "before" => self.before = Some(value.parse().ok()?),
            name => {
                let field = CALLBACK_FIELDS.iter().find(|field| field.name == name)?;
                (field.parse)(&mut self.filter, value).ok()?;
            }
        }
        Some(())
    }

    pub fn href(&self) -> String {
        let mut pairs = print_callback_fields(&self.filter);
        pairs.extend(self.since.map(|day| ("since", day.to_string())));
        pairs.extend(self.until.map(|day| ("until", day.to_string())));
        pairs.extend(self.before.map(|seq| ("before", seq.to_string())));
        with_query("/callbacks", &pairs)
    }

    /// The same filters, from another position.
    #[must_use]
    pub fn at(&self, before: Option<i64>) -> Self {
        Self {
            before,
            ..self.clone()
        }
    }

    pub fn query(&self, limit: usize, zone: Tz) -> CallbackQuery {
        let mut filter = self.filter.clone();
        let since = self.since.and_then(|day| start_of_day(day, zone));
        filter.received_after = filter.received_after.max(since);
        let next_day = self.until.and_then(|day| day.succ_opt());
        let end = next_day.and_then(|day| start_of_day(day, zone));
        filter.received_before = filter.received_before.into_iter().chain(end).min();
        CallbackQuery {
            filter,
            limit_to: AccountLimit::default(),
            before: self.before,
            limit,
        }
    }

    pub(super) fn is_filtered(&self) -> bool {
        self.filter != CallbackFilter::default() || self.since.is_some() || self.until.is_some()
    }

    /// Whether more than account and outcome select the callbacks.
    fn is_narrowed(&self) -> bool {
        let plain = CallbackFilter {
            account: self.filter.account.clone(),
            outcome: self.filter.outcome,
            ..CallbackFilter::default()
        };
        self.filter != plain || self.since.is_some() || self.until.is_some()
    }
}

/// Selects the callbacks; also the hidden fields of the form that confirms the replay.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReplayUrl {
    pub id: Option<CallbackId>,
    pub account: Option<AccountId>,
    pub outcome: Option<Outcome>,
    /// Last journal position that the preview covered, so that later callbacks are left out.
    pub up_to: Option<i64>,
}

impl ReplayUrl {
    /// Parses a query string or a form. None if it selects nothing or has an invalid value.
    pub fn parse(text: &str) -> Option<Self> {
        let mut url = Self::default();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            match name.as_ref() {
                "id" => url.id = Some(value.parse().ok()?),
                "account" => url.account = Some(value.parse().ok()?),
                "outcome" => url.outcome = Some(Outcome::parse(&value)?),
                "up_to" => url.up_to = Some(value.parse().ok()?),
                _ => {}
            }
        }
        url.selects().then_some(url)
    }

    /// The callbacks of a list, if exactly these can be replayed.
    pub fn of_list(list: &CallbackListUrl) -> Option<Self> {
        match list.filter.outcome {
            Some(None) => None,
            _ if list.is_narrowed() => None,
            outcome => Some(Self {
                id: None,
                account: list.filter.account.clone(),
                outcome: outcome.flatten(),
                up_to: None,
            }),
        }
        .filter(Self::selects)
    }

    fn selects(&self) -> bool {
        self.id.is_some() || self.account.is_some() || self.outcome.is_some()
    }

    #[must_use]
    pub fn limited_to(self, seq: i64) -> Self {
        Self {
            // A single callback needs no limit.
            up_to: self.id.is_none().then_some(seq),
            ..self
        }
    }

    pub fn one(id: CallbackId) -> Self {
        Self {
            id: Some(id),
            ..Self::default()
        }
    }

    pub(super) fn pairs(&self) -> Vec<(&'static str, String)> {
        [
            ("id", self.id.map(|id| id.to_string())),
            ("account", self.account.as_ref().map(AccountId::to_string)),
            (
                "outcome",
                self.outcome.map(|outcome| outcome.as_str().to_owned()),
            ),
            ("up_to", self.up_to.map(|seq| seq.to_string())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }

    pub fn href(&self) -> String {
        with_query("/callbacks/replay", &self.pairs())
    }

    /// The page before: the callback or the list.
    pub fn origin(&self) -> String {
        match self.id {
            Some(id) => format!("/callbacks/{id}"),
            None => CallbackListUrl {
                filter: CallbackFilter {
                    account: self.account.clone(),
                    outcome: self.outcome.map(Some),
                    ..CallbackFilter::default()
                },
                ..CallbackListUrl::default()
            }
            .href(),
        }
    }

    pub fn selection(&self) -> OutcomeFilter {
        OutcomeFilter {
            limit: AccountLimit::default(),
            ids: self.id.map(|id| vec![id]),
            account: self.account.clone(),
            outcome: self.outcome,
            last_seq: self.up_to,
            ..OutcomeFilter::default()
        }
    }

    pub(super) fn selection_text(&self) -> String {
        match (self.id, &self.account, self.outcome) {
            (Some(_), _, _) => "this callback".to_owned(),
            (None, Some(account), Some(outcome)) => {
                format!(
                    "every callback of {account} with outcome {}",
                    outcome.as_str()
                )
            }
            (None, Some(account), None) => format!("every callback of {account}"),
            (None, None, Some(outcome)) => {
                format!("every callback with outcome {}", outcome.as_str())
            }
            (None, None, None) => "every callback".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_url_selects_nothing() {
        for text in [
            "",
            "x=1",
            "id=7",
            "outcome=pending",
            "account=NOT%20ONE",
            "up_to=7",
            "account=shop&up_to=x",
        ] {
            assert_eq!(ReplayUrl::parse(text), None, "{text}");
        }
        let url = ReplayUrl::parse("account=shop&outcome=quarantined").unwrap();
        assert_eq!(
            url.href(),
            "/callbacks/replay?account=shop&outcome=quarantined"
        );
        assert_eq!(url.origin(), "/callbacks?account=shop&outcome=quarantined");
    }

    #[test]
    fn unfiltered_lists_and_pending_callbacks_cannot_be_replayed() {
        let list = |query: &str| ReplayUrl::of_list(&CallbackListUrl::parse(query));
        assert_eq!(list(""), None);
        assert_eq!(list("outcome=pending&account=shop"), None);
        assert_eq!(list("account=shop&q=131026"), None);
        assert_eq!(list("account=shop&since=2026-11-20"), None);
        assert_eq!(list("account=shop").unwrap().selection().outcome, None);
        assert!(list("outcome=unverified").is_some());
    }
}
