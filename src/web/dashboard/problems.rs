//! `/problems`: what needs a person? Each kind with why, the next step, and the forms to take it.

use askama::Template;

use crate::domain::access::Visibility;
use crate::domain::delivery::{DeliveryState, Stage};
use crate::domain::message::{Message, Origin};
use crate::reporting::orphan_views::Orphan;
use crate::reporting::problems::{Items, ProblemKind, ProblemList};
use crate::store::problems::QuarantinedPart;
use crate::web::dashboard::address::MessagesAddress;
use crate::web::dashboard::callbacks::short;
use crate::web::dashboard::figure::{count, counted};
use crate::web::dashboard::frame::{Frame, Refresh, Section};
use crate::web::dashboard::matching::{FormPage, MatchTrouble, Matching};
use crate::web::dashboard::message::Actions;
use crate::web::dashboard::messages::failure_words;
use crate::web::dashboard::moment::Moment;

/// The page.
#[derive(Template, Clone, Debug)]
#[template(path = "problems.html")]
pub struct ProblemsPage {
    pub(super) frame: Frame,
    sections: Vec<ProblemSection>,
}

/// One kind of problem.
#[derive(Clone, Debug)]
struct ProblemSection {
    id: &'static str,
    title: &'static str,
    count: String,
    why: &'static str,
    next_step: &'static str,
    items: Vec<Item>,
    /// How many more there are, and where they are listed.
    more: Option<(String, Option<String>)>,
}

/// One thing that needs a person.
#[derive(Clone, Debug, Default)]
struct Item {
    title: String,
    href: Option<String>,
    account: String,
    at: Option<Moment>,
    details: Vec<String>,
    /// Further things it is about: words and address.
    links: Vec<(String, String)>,
    /// Where a form that resumes the account goes.
    resume: Option<String>,
    resend: Option<String>,
    mark_failed: Option<String>,
    matching: Option<Matching>,
    /// Where a form that puts it aside goes.
    put_aside: Option<String>,
}

impl ProblemsPage {
    /// The page of everything that needs a person, as `viewer` may see it.
    pub fn new(lists: &[ProblemList], viewer: Visibility) -> Self {
        Self {
            frame: Frame::inside(Section::Problems, "Problems", Refresh::Live),
            sections: lists
                .iter()
                .map(|list| ProblemSection::new(list, viewer))
                .collect(),
        }
    }

    /// The same page after a try to match that named no message. It shows that try, so it is not fetched again.
    pub(super) fn with_trouble(mut self, trouble: &MatchTrouble) -> Self {
        self.frame = Frame::inside(Section::Problems, "Problems", Refresh::Still);
        self.sections
            .iter_mut()
            .flat_map(|section| &mut section.items)
            .filter_map(|item| item.matching.as_mut())
            .for_each(|matching| matching.note(trouble));
        self
    }
}

/// The list of messages behind a kind of problem; the whole of it, where the page shows the newest.
pub(super) fn list_address(kind: ProblemKind) -> Option<String> {
    let open = MessagesAddress {
        resent: Some(false),
        ..MessagesAddress::default()
    };
    match kind {
        ProblemKind::Uncertain => Some(
            MessagesAddress {
                origin: Some(Origin::Api),
                ..open.with_states(&[DeliveryState::Uncertain])
            }
            .page(),
        ),
        ProblemKind::Overdue => Some(
            MessagesAddress {
                overdue: true,
                ..open
            }
            .page(),
        ),
        ProblemKind::Conflicts => Some(
            MessagesAddress {
                conflict: true,
                ..open
            }
            .page(),
        ),
        ProblemKind::Quarantine => Some("/callbacks?outcome=quarantined".to_owned()),
        ProblemKind::Unverified => Some("/callbacks?outcome=unverified".to_owned()),
        ProblemKind::PausedAccounts
        | ProblemKind::Orphans
        | ProblemKind::IdConflicts
        | ProblemKind::Rejected => None,
    }
}

impl ProblemSection {
    fn new(list: &ProblemList, viewer: Visibility) -> Self {
        let items: Vec<Item> = match &list.items {
            Items::Accounts(paused) => paused
                .iter()
                .map(|(account, pause)| Item {
                    title: account.to_string(),
                    href: Some("/accounts".to_owned()),
                    at: Some(Moment::new(pause.since)),
                    details: vec![viewer.quoted(&pause.reason)],
                    resume: for_operator(viewer, format!("/accounts/{account}/resume")),
                    ..Item::default()
                })
                .collect(),
            Items::Messages(messages) => messages
                .iter()
                .map(|message| message_item(list.kind, message, viewer))
                .collect(),
            Items::Orphans(orphans) => orphans
                .iter()
                .map(|orphan| orphan_item(orphan, viewer))
                .collect(),
            Items::IdConflicts(conflicts) => conflicts
                .iter()
                .map(|conflict| Item {
                    title: viewer.provider_id(&conflict.provider_id),
                    account: conflict.account.to_string(),
                    at: Some(Moment::new(conflict.seen_at)),
                    links: vec![
                        (
                            format!("{} keeps it", short(conflict.message)),
                            format!("/messages/{}", conflict.message),
                        ),
                        (
                            format!("{} claims it", short(conflict.claimant)),
                            format!("/messages/{}", conflict.claimant),
                        ),
                    ],
                    ..Item::default()
                })
                .collect(),
            Items::Quarantine(parts) => parts
                .iter()
                .map(|part| Item {
                    title: viewer.quoted(&part.reason),
                    href: Some(format!("/callbacks/{}", part.callback)),
                    account: part.account.to_string(),
                    at: Some(Moment::new(part.quarantined_at)),
                    details: part_words(part).into_iter().collect(),
                    put_aside: for_operator(
                        viewer,
                        format!("/problems/callbacks/{}/put-aside", part.callback),
                    ),
                    ..Item::default()
                })
                .collect(),
            Items::Callbacks(callbacks) => callbacks
                .iter()
                .map(|callback| Item {
                    title: callback
                        .detail
                        .as_deref()
                        .map_or_else(|| "a callback".to_owned(), |text| viewer.quoted(text)),
                    href: Some(format!("/callbacks/{}", callback.callback)),
                    account: callback.account.to_string(),
                    at: Some(Moment::new(callback.received_at)),
                    ..Item::default()
                })
                .collect(),
            Items::Nothing => Vec::new(),
        };
        let shown = u64::try_from(items.len()).unwrap_or(u64::MAX);
        let rest = list.count.saturating_sub(shown);
        Self {
            id: list.kind.as_str(),
            title: list.kind.title(),
            count: count(list.count),
            why: list.kind.why(),
            next_step: list.kind.next_step(),
            more: (rest > 0 && list.items != Items::Nothing).then(|| {
                let words = format!(
                    "{} not shown here",
                    counted(rest, "older one", "older ones")
                );
                (words, list_address(list.kind))
            }),
            items,
        }
    }
}

/// Which parts of a callback are unreadable, the first one by its place.
fn part_words(part: &QuarantinedPart) -> Option<String> {
    let place = part.part + 1;
    match part.parts {
        0 | 1 if part.part == 0 => None,
        0 | 1 => Some(format!("part {place} of its callback")),
        several => Some(format!(
            "{} of its callback are unreadable, part {place} first",
            counted(several, "part", "parts")
        )),
    }
}

fn for_operator(viewer: Visibility, action: String) -> Option<String> {
    (viewer == Visibility::Full).then_some(action)
}

fn recipient(message: &Message, viewer: Visibility) -> String {
    message
        .recipient
        .as_deref()
        .map_or_else(|| "unknown recipient".to_owned(), |text| viewer.phone(text))
}

fn message_item(kind: ProblemKind, message: &Message, viewer: Visibility) -> Item {
    let href = format!("/messages/{}", message.id);
    let actions = Actions::of(message);
    let allowed = |allowed: bool, verb: &str| {
        allowed
            .then(|| for_operator(viewer, format!("{href}/{verb}")))
            .flatten()
    };
    let details = [
        message.name.as_deref().map(|name| viewer.personal(name)),
        message.kind.map(|kind| kind.to_string()),
        Some(message.state.to_string()),
        message
            .failure
            .as_ref()
            .map(|failure| failure_words(failure, viewer)),
    ];
    Item {
        title: recipient(message, viewer),
        account: message.account.to_string(),
        at: Some(Moment::new(message.created_at)),
        details: details.into_iter().flatten().collect(),
        resend: allowed(kind == ProblemKind::Uncertain && actions.resend, "resend"),
        mark_failed: allowed(
            kind != ProblemKind::Conflicts && actions.mark_failed,
            "mark-failed",
        ),
        put_aside: allowed(kind == ProblemKind::Conflicts, "put-aside"),
        href: Some(href),
        ..Item::default()
    }
}

fn orphan_item(orphan: &Orphan, viewer: Visibility) -> Item {
    let message = &orphan.message;
    let stage = Stage::ALL
        .into_iter()
        .rev()
        .find(|stage| message.stage(*stage).is_some());
    let says = match (stage, &message.failure) {
        (_, Some(failure)) => Some(format!("failed: {}", failure_words(failure, viewer))),
        (Some(stage), None) => Some(format!("reported as {}", stage.as_str())),
        (None, None) => None,
    };
    let ids = orphan.ids.iter().map(|id| viewer.provider_id(id));
    Item {
        title: recipient(message, viewer),
        href: Some(format!("/messages/{}", message.id)),
        account: message.account.to_string(),
        at: Some(Moment::new(message.created_at)),
        details: says.into_iter().chain(ids).collect(),
        matching: (viewer == Visibility::Full)
            .then(|| Matching::new(message.id, &orphan.suggestions, FormPage::Problems)),
        put_aside: for_operator(viewer, format!("/messages/{}/put-aside", message.id)),
        ..Item::default()
    }
}
