//! `/callbacks`: what did the providers say? Raw requests, newest first, by account and outcome.

use askama::Template;

use crate::domain::access::Visibility;
use crate::domain::ids::{AccountId, MessageId};
use crate::reporting::callback_views::{CallbackQuery, ListedCallback};
use crate::store::callbacks::Outcome;
use crate::web::dashboard::address::with_query;
use crate::web::dashboard::figure;
use crate::web::dashboard::frame::{Frame, Refresh, Section};
use crate::web::dashboard::messages::Choice;
use crate::web::dashboard::moment::Moment;
use crate::web::dashboard::replay::ReplayAddress;
use crate::web::dashboard::text::visible_line;

/// The word for a callback that was not read yet.
const PENDING: &str = "pending";

fn outcome_word(outcome: Option<Outcome>) -> &'static str {
    outcome.map_or(PENDING, Outcome::as_str)
}

/// What an outcome means, in words; none is one that was not read yet.
fn outcome_words(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Receipts) => "It told what became of a message.",
        Some(Outcome::Inbound) => "A customer wrote; what they wrote is read nowhere.",
        Some(Outcome::Notice) => "Understood, but not about a message.",
        Some(Outcome::Quarantined) => {
            "It, or a part of it, could not be understood. It is kept and can be replayed when the reader is mended."
        }
        Some(Outcome::Unverified) => "It failed the account's authentication and was not applied.",
        None => "It is safe in the journal and will be read in a moment.",
    }
}

/// One row of the list.
#[derive(Clone, Debug)]
pub struct CallbackRow {
    pub(super) href: String,
    pub(super) received: Moment,
    pub(super) account: String,
    pub(super) method: String,
    pub(super) size: String,
    pub(super) outcome: &'static str,
    pub(super) meaning: &'static str,
    /// Short name and address of the messages it told about.
    pub(super) messages: Vec<(String, String)>,
    /// How many more there are.
    pub(super) more: Option<String>,
}

/// A batch can name hundreds of messages; a row names this many.
const MESSAGES_SHOWN: usize = 3;

impl CallbackRow {
    /// The row of a callback.
    pub fn new(callback: &ListedCallback) -> Self {
        let more = callback.messages.len().saturating_sub(MESSAGES_SHOWN);
        Self {
            href: format!("/callbacks/{}", callback.summary.id),
            received: Moment::new(callback.summary.received_at),
            account: callback.summary.account.to_string(),
            method: visible_line(&callback.summary.method),
            size: figure::size(callback.summary.size),
            outcome: outcome_word(callback.outcome),
            meaning: outcome_words(callback.outcome),
            messages: callback
                .messages
                .iter()
                .take(MESSAGES_SHOWN)
                .map(|id| (short(*id), format!("/messages/{id}")))
                .collect(),
            more: (more > 0).then(|| format!("and {more} more")),
        }
    }
}

/// The last group of a `UUIDv7` is random; its first groups are the time and look alike.
pub(super) fn short(id: MessageId) -> String {
    let text = id.to_string();
    let tail = text.rsplit('-').next().unwrap_or_default();
    format!("…{tail}")
}

/// The filters of the list as its address carries them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallbacksAddress {
    /// Only this account.
    pub account: Option<AccountId>,
    /// Only this outcome; `Some(None)` for what was not read yet.
    pub outcome: Option<Option<Outcome>>,
    /// Only callbacks before this place in the journal.
    pub before: Option<i64>,
}

impl CallbacksAddress {
    /// Reads a query string; what cannot be understood filters nothing.
    pub fn parse(query: &str) -> Self {
        let mut address = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "account" => address.account = value.parse().ok(),
                "outcome" if value == PENDING => address.outcome = Some(None),
                "outcome" => address.outcome = Outcome::parse(&value).map(Some),
                "before" => address.before = value.parse().ok(),
                _ => {}
            }
        }
        address
    }

    /// `/callbacks` with these filters.
    pub fn page(&self) -> String {
        let pairs: Vec<_> = [
            ("account", self.account.as_ref().map(AccountId::to_string)),
            (
                "outcome",
                self.outcome.map(|outcome| outcome_word(outcome).to_owned()),
            ),
            ("before", self.before.map(|seq| seq.to_string())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
        with_query("/callbacks", &pairs)
    }

    /// What to ask for, `limit` callbacks at the most.
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

/// The page.
#[derive(Template, Clone, Debug)]
#[template(path = "callbacks.html")]
pub struct CallbacksPage {
    pub(super) frame: Frame,
    rows: Vec<CallbackRow>,
    accounts: Vec<Choice>,
    outcomes: Vec<Choice>,
    narrowed: bool,
    newest: Option<String>,
    older: Option<String>,
    /// Where the preview of reading all of this again is.
    replay: Option<String>,
}

impl CallbacksPage {
    /// The list that was found for an address; `next` is the place before which older ones follow.
    pub fn new(
        address: &CallbacksAddress,
        found: &[ListedCallback],
        next: Option<i64>,
        accounts: &[AccountId],
        viewer: Visibility,
    ) -> Self {
        let at = |before: Option<i64>| {
            CallbacksAddress {
                before,
                ..address.clone()
            }
            .page()
        };
        let choice = |word: &str, chosen: bool| Choice {
            value: word.to_owned(),
            label: word.to_owned(),
            chosen,
        };
        Self {
            frame: Frame::inside(
                Section::Callbacks,
                "Callbacks",
                if address.before.is_some() {
                    Refresh::Still
                } else {
                    Refresh::Live
                },
            ),
            rows: found.iter().map(CallbackRow::new).collect(),
            accounts: accounts
                .iter()
                .map(|account| choice(account.as_str(), address.account.as_ref() == Some(account)))
                .collect(),
            outcomes: Outcome::ALL
                .into_iter()
                .map(Some)
                .chain([None])
                .map(|outcome| choice(outcome_word(outcome), address.outcome == Some(outcome)))
                .collect(),
            narrowed: address.is_filtered(),
            newest: address.before.is_some().then(|| at(None)),
            older: next.map(|seq| at(Some(seq))),
            replay: ReplayAddress::of_list(address)
                .filter(|_| viewer == Visibility::Full && !found.is_empty())
                .map(|replay| replay.page()),
        }
    }
}
