//! `/callbacks`: what did the providers report? Raw requests, newest first, by account and outcome.

use askama::Template;

use crate::domain::ids::{AccountId, MessageId};
use crate::domain::scope::Visibility;
use crate::reporting::callback_views::{CallbackQuery, ListedCallback};
use crate::store::callbacks::Outcome;
use crate::web::dashboard::message_list_url::with_query;
use crate::web::dashboard::messages_page::SelectOption;
use crate::web::dashboard::number_format;
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::replay_page::ReplayUrl;
use crate::web::dashboard::time_element::TimeElement;
use crate::web::dashboard::visible_text::visible_line;

const PENDING: &str = "pending";

fn outcome_label(outcome: Option<Outcome>) -> &'static str {
    outcome.map_or(PENDING, Outcome::as_str)
}

fn outcome_tooltip(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Receipts) => "It reported the status of at least one message.",
        Some(Outcome::Inbound) => "A customer wrote. The content is not processed.",
        Some(Outcome::Notice) => "Understood, but not about a message.",
        Some(Outcome::Quarantined) => {
            "At least a part of it could not be parsed. It is kept and can be replayed after the parser was fixed."
        }
        Some(Outcome::Unverified) => "It failed the account's authentication and was not applied.",
        None => "It is stored in the journal and not processed yet.",
    }
}

#[derive(Clone, Debug)]
pub struct CallbackRow {
    pub(super) href: String,
    pub(super) received: TimeElement,
    pub(super) account: String,
    pub(super) method: String,
    pub(super) size: String,
    pub(super) outcome: &'static str,
    pub(super) meaning: &'static str,
    /// Short id and URL.
    pub(super) messages: Vec<(String, String)>,
    pub(super) more: Option<String>,
}

/// A batch can name hundreds of messages.
const MESSAGES_SHOWN: usize = 3;

impl CallbackRow {
    pub fn new(callback: &ListedCallback) -> Self {
        let more = callback.messages.len().saturating_sub(MESSAGES_SHOWN);
        Self {
            href: format!("/callbacks/{}", callback.summary.id),
            received: TimeElement::new(callback.summary.received_at),
            account: callback.summary.account.to_string(),
            method: visible_line(&callback.summary.method),
            size: number_format::size(callback.summary.size),
            outcome: outcome_label(callback.outcome),
            meaning: outcome_tooltip(callback.outcome),
            messages: callback
                .messages
                .iter()
                .take(MESSAGES_SHOWN)
                .map(|id| (short_id(*id), format!("/messages/{id}")))
                .collect(),
            more: (more > 0).then(|| format!("and {more} more")),
        }
    }
}

/// The last group of a `UUIDv7` is random; the first groups are the time and look alike.
pub(super) fn short_id(id: MessageId) -> String {
    let text = id.to_string();
    let tail = text.rsplit('-').next().unwrap_or_default();
    format!("…{tail}")
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
            account: self.account.clone(),
            outcome: self.outcome,
            before: self.before,
            limit,
        }
    }

    fn is_filtered(&self) -> bool {
        self.account.is_some() || self.outcome.is_some()
    }
}

#[derive(Template, Clone, Debug)]
#[template(path = "callbacks.html")]
pub struct CallbacksPage {
    pub(super) frame: Frame,
    rows: Vec<CallbackRow>,
    accounts: Vec<SelectOption>,
    outcomes: Vec<SelectOption>,
    filtered: bool,
    newest: Option<String>,
    older: Option<String>,
    /// URL of the replay preview of this list.
    replay: Option<String>,
}

impl CallbacksPage {
    pub fn new(
        url: &CallbackListUrl,
        found: &[ListedCallback],
        next: Option<i64>,
        accounts: &[AccountId],
        viewer: Visibility,
    ) -> Self {
        let at = |before: Option<i64>| {
            CallbackListUrl {
                before,
                ..url.clone()
            }
            .href()
        };
        let choice = |word: &str, selected: bool| SelectOption {
            value: word.to_owned(),
            label: word.to_owned(),
            selected,
        };
        Self {
            frame: Frame::in_section(
                NavigationSection::Callbacks,
                "Callbacks",
                if url.before.is_some() {
                    Refresh::Never
                } else {
                    Refresh::Live
                },
            ),
            rows: found.iter().map(CallbackRow::new).collect(),
            accounts: accounts
                .iter()
                .map(|account| choice(account.as_str(), url.account.as_ref() == Some(account)))
                .collect(),
            outcomes: Outcome::ALL
                .into_iter()
                .map(Some)
                .chain([None])
                .map(|outcome| choice(outcome_label(outcome), url.outcome == Some(outcome)))
                .collect(),
            filtered: url.is_filtered(),
            newest: url.before.is_some().then(|| at(None)),
            older: next.map(|seq| at(Some(seq))),
            replay: ReplayUrl::of_list(url)
                .filter(|_| viewer == Visibility::Full && !found.is_empty())
                .map(|replay| replay.href()),
        }
    }
}
