//! `/callbacks/replay`: what would change if callbacks were read again? Shown before anyone decides it.
//!
//! One callback by its id, or all of an account and outcome. Naming an unverified one releases it.

use askama::Template;

use crate::domain::delivery::DeliveryState;
use crate::domain::ids::{AccountId, CallbackId, MessageId};
use crate::operating::replay::Replayed;
use crate::store::callbacks::{CallbackOutcome, Outcome, OutcomeFilter};
use crate::web::dashboard::address::with_query;
use crate::web::dashboard::callbacks::{CallbacksAddress, short};
use crate::web::dashboard::figure::counted;
use crate::web::dashboard::frame::{Frame, Refresh, Section};
use crate::web::dashboard::pill::StatePill;
use crate::web::dashboard::text::{sentence, visible_line};

/// Changes of each kind that the page lists; the rest is counted.
const CHANGES_SHOWN: usize = 50;

/// Which callbacks a person wants read again; also the fields of the form that confirms it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReplayAddress {
    /// This one.
    pub id: Option<CallbackId>,
    /// Those of this account.
    pub account: Option<AccountId>,
    /// Those of this outcome.
    pub outcome: Option<Outcome>,
    /// Those that the journal held up to here when the preview showed them: what comes later was seen by nobody.
    pub up_to: Option<i64>,
}

impl ReplayAddress {
    /// Reads a query string or a form; none when it names no callback, account or outcome, or one that cannot be.
    pub fn parse(text: &str) -> Option<Self> {
        let mut address = Self::default();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            match name.as_ref() {
                "id" => address.id = Some(value.parse().ok()?),
                "account" => address.account = Some(value.parse().ok()?),
                "outcome" => address.outcome = Some(Outcome::parse(&value)?),
                "up_to" => address.up_to = Some(value.parse().ok()?),
                _ => {}
            }
        }
        address.selects().then_some(address)
    }

    /// What a list of callbacks shows, where that can be read again.
    pub fn of_list(list: &CallbacksAddress) -> Option<Self> {
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

    /// The same callbacks, as far as the journal was read up to a place in it.
    #[must_use]
    pub fn seen_up_to(self, place: i64) -> Self {
        Self {
            // One callback is itself, whenever it came.
            up_to: self.id.is_none().then_some(place),
            ..self
        }
    }

    /// The preview of one callback.
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
            ("up_to", self.up_to.map(|place| place.to_string())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }

    /// Where the preview is.
    pub fn page(&self) -> String {
        with_query("/callbacks/replay", &self.pairs())
    }

    /// Where one came from, and goes back to: the callback or the list.
    pub fn origin(&self) -> String {
        match self.id {
            Some(id) => format!("/callbacks/{id}"),
            None => CallbacksAddress {
                account: self.account.clone(),
                outcome: self.outcome.map(Some),
                before: None,
            }
            .page(),
        }
    }

    /// The callbacks, as reading them again takes them.
    pub fn selection(&self) -> OutcomeFilter {
        OutcomeFilter {
            ids: self.id.map(|id| vec![id]),
            account: self.account.clone(),
            outcome: self.outcome,
            up_to: self.up_to,
            ..OutcomeFilter::default()
        }
    }

    fn words(&self) -> String {
        match (self.id, &self.account, self.outcome) {
            (Some(_), _, _) => "this callback".to_owned(),
            (None, Some(account), Some(outcome)) => {
                format!(
                    "every callback of {account} that counts as {}",
                    outcome.as_str()
                )
            }
            (None, Some(account), None) => format!("every callback of {account}"),
            (None, None, Some(outcome)) => {
                format!("every callback that counts as {}", outcome.as_str())
            }
            (None, None, None) => "every callback".to_owned(),
        }
    }
}

/// The page.
#[derive(Template, Clone, Debug)]
#[template(path = "replay.html")]
pub struct ReplayPage {
    pub(super) frame: Frame,
    title: &'static str,
    heading: String,
    origin: String,
    /// Why authentication failed, where one callback is released.
    refusal: Option<String>,
    /// Whether callbacks that failed authentication are among them.
    releases: bool,
    read: String,
    aside: Vec<String>,
    verdict: String,
    callbacks: Vec<CallbackChange>,
    messages: Vec<MessageChange>,
    more: Option<String>,
    fields: Vec<(&'static str, String)>,
    /// There is something to read.
    possible: bool,
}

#[derive(Clone, Debug)]
struct CallbackChange {
    href: String,
    id: String,
    before: &'static str,
    after: &'static str,
}

#[derive(Clone, Debug)]
struct MessageChange {
    href: Option<String>,
    id: String,
    before: Option<StatePill>,
    after: Option<StatePill>,
}

impl ReplayPage {
    /// The page of what a rehearsal told; `known` is the callback itself, where one was named.
    pub fn new(
        address: &ReplayAddress,
        known: Option<&CallbackOutcome>,
        replayed: &Replayed,
    ) -> Self {
        let outcome = known.map(|known| known.outcome).or(address.outcome);
        let releases = outcome == Some(Outcome::Unverified);
        let title = if releases { "Release" } else { "Read again" };
        let hidden = replayed.callbacks.len().saturating_sub(CHANGES_SHOWN)
            + replayed.messages.len().saturating_sub(CHANGES_SHOWN);
        Self {
            frame: Frame::inside(Section::Callbacks, title, Refresh::Still),
            title,
            heading: if releases {
                format!("Release {}?", address.words())
            } else {
                format!("Read {} again?", address.words())
            },
            origin: address.origin(),
            refusal: known
                .filter(|_| releases)
                .and_then(|known| known.detail.as_deref())
                .map(|detail| sentence(&visible_line(detail))),
            releases,
            read: counted(replayed.read, "callback", "callbacks"),
            aside: aside(replayed),
            verdict: verdict(replayed),
            callbacks: callback_changes(replayed),
            messages: message_changes(replayed),
            more: (hidden > 0).then(|| format!("and {hidden} more changes")),
            fields: address.pairs(),
            possible: replayed.read > 0,
        }
    }
}

/// What of the selection is not read.
fn aside(replayed: &Replayed) -> Vec<String> {
    let gone = (replayed.gone > 0).then(|| {
        format!(
            "{} not kept any more: retention has ended.",
            counted(replayed.gone, "callback is", "callbacks are")
        )
    });
    let withheld = (replayed.withheld > 0).then(|| {
        format!(
            "{} unverified and left alone; only who asks for unverified ones releases them.",
            counted(replayed.withheld, "callback is", "callbacks are")
        )
    });
    gone.into_iter().chain(withheld).collect()
}

fn verdict(replayed: &Replayed) -> String {
    let length = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    match (replayed.callbacks.len(), replayed.messages.len()) {
        (0, 0) => {
            "No outcome and no state would change: read today, it tells what it told.".to_owned()
        }
        (callbacks, messages) => format!(
            "{} would count as something else, {} would be in another state.",
            counted(length(callbacks), "callback", "callbacks"),
            counted(length(messages), "message", "messages"),
        ),
    }
}

fn callback_changes(replayed: &Replayed) -> Vec<CallbackChange> {
    let shown = replayed.callbacks.iter().take(CHANGES_SHOWN);
    shown
        .map(|change| CallbackChange {
            href: format!("/callbacks/{}", change.callback),
            id: change.callback.to_string(),
            before: change.before.as_str(),
            after: change.after.as_str(),
        })
        .collect()
}

fn message_changes(replayed: &Replayed) -> Vec<MessageChange> {
    let pill = |state: Option<DeliveryState>| state.map(StatePill::new);
    let named = |id: MessageId, exists: bool| exists.then(|| format!("/messages/{id}"));
    let shown = replayed.messages.iter().take(CHANGES_SHOWN);
    shown
        .map(|change| MessageChange {
            href: named(change.message, change.before.is_some()),
            id: short(change.message),
            before: pill(change.before),
            after: pill(change.after),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_understood_selects_nothing() {
        for text in [
            "",
            "x=1",
            "id=7",
            "outcome=pending",
            "account=NOT%20ONE",
            "up_to=7",
            "account=shop&up_to=x",
        ] {
            assert_eq!(ReplayAddress::parse(text), None, "{text}");
        }
        let address = ReplayAddress::parse("account=shop&outcome=quarantined").unwrap();
        assert_eq!(
            address.page(),
            "/callbacks/replay?account=shop&outcome=quarantined"
        );
        assert_eq!(
            address.origin(),
            "/callbacks?account=shop&outcome=quarantined"
        );
    }

    #[test]
    fn a_list_without_filter_or_of_what_was_never_read_is_not_read_again() {
        let list = |query: &str| ReplayAddress::of_list(&CallbacksAddress::parse(query));
        assert_eq!(list(""), None);
        assert_eq!(list("outcome=pending&account=shop"), None);
        assert_eq!(list("account=shop").unwrap().selection().outcome, None);
        assert!(list("outcome=unverified").is_some());
    }
}
