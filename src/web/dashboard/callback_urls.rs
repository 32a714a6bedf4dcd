//! The URLs of the callback list and of the replay preview, with their filters.

use crate::domain::account_limit::AccountLimit;
use crate::domain::callback_outcome::Outcome;
use crate::domain::ids::{AccountId, CallbackId};
use crate::reporting::callback_views::CallbackQuery;
use crate::store::outcome_list::OutcomeFilter;
use crate::web::dashboard::message_list_url::with_query;

const PENDING: &str = "pending";

pub(super) fn outcome_label(outcome: Option<Outcome>) -> &'static str {
    outcome.map_or(PENDING, Outcome::as_str)
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallbackListUrl {
    pub account: Option<AccountId>,
    /// `Some(None)` for callbacks that are not processed yet.
    pub outcome: Option<Option<Outcome>>,
    /// A position in the journal.
    pub before: Option<i64>,
}

impl CallbackListUrl {
    /// Ignores what it cannot parse.
    pub fn parse(query: &str) -> Self {
        let mut url = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "account" => url.account = value.parse().ok(),
                "outcome" if value == PENDING => url.outcome = Some(None),
                "outcome" => url.outcome = Outcome::parse(&value).map(Some),
                "before" => url.before = value.parse().ok(),
                _ => {}
            }
        }
        url
    }

    pub fn href(&self) -> String {
        let pairs: Vec<_> = [
            ("account", self.account.as_ref().map(AccountId::to_string)),
            (
                "outcome",
                self.outcome
                    .map(|outcome| outcome_label(outcome).to_owned()),
            ),
            ("before", self.before.map(|seq| seq.to_string())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
        with_query("/callbacks", &pairs)
    }

    pub fn query(&self, limit: usize) -> CallbackQuery {
        CallbackQuery {
            limit_to: AccountLimit::default(),
            account: self.account.clone(),
            outcome: self.outcome,
            before: self.before,
            limit,
        }
    }

    pub(super) fn is_filtered(&self) -> bool {
        self.account.is_some() || self.outcome.is_some()
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

    /// The callbacks of a list, if they can be replayed.
    pub fn of_list(list: &CallbackListUrl) -> Option<Self> {
        match list.outcome {
            Some(None) => None,
            outcome => Some(Self {
                id: None,
                account: list.account.clone(),
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
                account: self.account.clone(),
                outcome: self.outcome.map(Some),
                before: None,
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
            up_to: self.up_to,
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
        assert_eq!(list("account=shop").unwrap().selection().outcome, None);
        assert!(list("outcome=unverified").is_some());
    }
}
