//! `/callbacks/replay`: the preview of a replay. Selects one callback by id, or all of an account
//! and outcome.
//!
//! Selecting an unverified one by id or outcome releases it.

use askama::Template;

use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::{AccountId, CallbackId, MessageId};
use crate::operating::replay::Replayed;
use crate::store::callbacks::{CallbackOutcome, Outcome, OutcomeFilter};
use crate::web::dashboard::callbacks_page::{CallbackListUrl, short_id};
use crate::web::dashboard::message_list_url::with_query;
use crate::web::dashboard::number_format::counted;
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::state_pill::StatePill;
use crate::web::dashboard::visible_text::{sentence, visible_line};

/// Changes of each kind on the page; the rest is counted.
const CHANGES_SHOWN: usize = 50;

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

    fn pairs(&self) -> Vec<(&'static str, String)> {
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
            ids: self.id.map(|id| vec![id]),
            account: self.account.clone(),
            outcome: self.outcome,
            up_to: self.up_to,
            ..OutcomeFilter::default()
        }
    }

    fn selection_text(&self) -> String {
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

#[derive(Template, Clone, Debug)]
#[template(path = "replay.html")]
pub struct ReplayPage {
    pub(super) frame: Frame,
    title: &'static str,
    heading: String,
    origin: String,
    /// Why authentication failed, if a single callback is released.
    rejection: Option<String>,
    /// The selection contains callbacks that failed authentication.
    releases: bool,
    count: String,
    excluded: Vec<String>,
    summary: String,
    callbacks: Vec<CallbackChangeRow>,
    messages: Vec<MessageChangeRow>,
    more: Option<String>,
    fields: Vec<(&'static str, String)>,
    can_replay: bool,
}

#[derive(Clone, Debug)]
struct CallbackChangeRow {
    href: String,
    id: String,
    before: &'static str,
    after: &'static str,
}

#[derive(Clone, Debug)]
struct MessageChangeRow {
    href: Option<String>,
    id: String,
    before: Option<StatePill>,
    after: Option<StatePill>,
}

impl ReplayPage {
    /// `known` is the outcome of the selected callback, if a single one is selected.
    pub fn new(url: &ReplayUrl, known: Option<&CallbackOutcome>, replayed: &Replayed) -> Self {
        let outcome = known.map(|known| known.outcome).or(url.outcome);
        let releases = outcome == Some(Outcome::Unverified);
        let title = if releases { "Release" } else { "Replay" };
        let hidden = replayed.callbacks.len().saturating_sub(CHANGES_SHOWN)
            + replayed.messages.len().saturating_sub(CHANGES_SHOWN);
        Self {
            frame: Frame::in_section(NavigationSection::Callbacks, title, Refresh::Never),
            title,
            heading: if releases {
                format!("Release {}?", url.selection_text())
            } else {
                format!("Replay {}?", url.selection_text())
            },
            origin: url.origin(),
            rejection: known
                .filter(|_| releases)
                .and_then(|known| known.detail.as_deref())
                .map(|detail| sentence(&visible_line(detail))),
            releases,
            count: counted(replayed.read, "callback", "callbacks"),
            excluded: excluded(replayed),
            summary: summary(replayed),
            callbacks: callback_changes(replayed),
            messages: message_changes(replayed),
            more: (hidden > 0).then(|| format!("and {hidden} more changes")),
            fields: url.pairs(),
            can_replay: replayed.read > 0,
        }
    }
}

/// Callbacks of the selection that are not replayed.
fn excluded(replayed: &Replayed) -> Vec<String> {
    let gone = (replayed.gone > 0).then(|| {
        format!(
            "{} no longer kept: retention has ended.",
            counted(replayed.gone, "callback is", "callbacks are")
        )
    });
    let withheld = (replayed.withheld > 0).then(|| {
        format!(
            "{} unverified and not replayed. Filter by the outcome unverified to release them.",
            counted(replayed.withheld, "callback is", "callbacks are")
        )
    });
    gone.into_iter().chain(withheld).collect()
}

fn summary(replayed: &Replayed) -> String {
    let length = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    match (replayed.callbacks.len(), replayed.messages.len()) {
        (0, 0) => "No outcome and no state would change.".to_owned(),
        (callbacks, messages) => format!(
            "{} would have another outcome, {} another state.",
            counted(length(callbacks), "callback", "callbacks"),
            counted(length(messages), "message", "messages"),
        ),
    }
}

fn callback_changes(replayed: &Replayed) -> Vec<CallbackChangeRow> {
    let shown = replayed.callbacks.iter().take(CHANGES_SHOWN);
    shown
        .map(|change| CallbackChangeRow {
            href: format!("/callbacks/{}", change.callback),
            id: change.callback.to_string(),
            before: change.before.as_str(),
            after: change.after.as_str(),
        })
        .collect()
}

fn message_changes(replayed: &Replayed) -> Vec<MessageChangeRow> {
    let pill = |state: Option<DeliveryState>| state.map(StatePill::new);
    let href = |id: MessageId, exists: bool| exists.then(|| format!("/messages/{id}"));
    let shown = replayed.messages.iter().take(CHANGES_SHOWN);
    shown
        .map(|change| MessageChangeRow {
            href: href(change.message, change.before.is_some()),
            id: short_id(change.message),
            before: pill(change.before),
            after: pill(change.after),
        })
        .collect()
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
