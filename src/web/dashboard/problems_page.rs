//! `/problems`: what needs attention? Each kind with its reason, the next step, and forms.

use askama::Template;

use crate::domain::delivery_state::{DeliveryState, Stage};
use crate::domain::message::{Message, Origin};
use crate::domain::scope::Visibility;
use crate::reporting::orphan_views::ListedOrphan;
use crate::reporting::problem_items::{ProblemItems, ProblemKind, ProblemList};
use crate::store::problems::QuarantinedPart;
use crate::web::dashboard::callbacks_page::short_id;
use crate::web::dashboard::match_form::{MatchForm, MatchFormError, MatchFormPage};
use crate::web::dashboard::message_list_url::MessageListUrl;
use crate::web::dashboard::message_page::AvailableActions;
use crate::web::dashboard::messages_page::failure_text;
use crate::web::dashboard::number_format::{count, counted};
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::time_element::TimeElement;

#[derive(Template, Clone, Debug)]
#[template(path = "problems.html")]
pub struct ProblemsPage {
    pub(super) frame: Frame,
    sections: Vec<ProblemSection>,
}

#[derive(Clone, Debug)]
struct ProblemSection {
    id: &'static str,
    title: &'static str,
    count: String,
    why: &'static str,
    next_step: &'static str,
    items: Vec<ProblemItem>,
    /// How many more there are, and the URL of the list.
    more: Option<(String, Option<String>)>,
}

#[derive(Clone, Debug, Default)]
struct ProblemItem {
    title: String,
    href: Option<String>,
    account: String,
    at: Option<TimeElement>,
    details: Vec<String>,
    /// Text and URL of related pages.
    links: Vec<(String, String)>,
    resume: Option<String>,
    resend: Option<String>,
    mark_failed: Option<String>,
    match_form: Option<MatchForm>,
    dismiss: Option<String>,
}

impl ProblemsPage {
    pub fn new(lists: &[ProblemList], viewer: Visibility) -> Self {
        Self {
            frame: Frame::in_section(NavigationSection::Problems, "Problems", Refresh::Live),
            sections: lists
                .iter()
                .map(|list| ProblemSection::new(list, viewer))
                .collect(),
        }
    }

    /// Shows why the last attempt to match failed. The page does not refresh then.
    pub(super) fn with_match_error(mut self, error: &MatchFormError) -> Self {
        self.frame = Frame::in_section(NavigationSection::Problems, "Problems", Refresh::Never);
        self.sections
            .iter_mut()
            .flat_map(|section| &mut section.items)
            .filter_map(|item| item.match_form.as_mut())
            .for_each(|form| form.show_error(error));
        self
    }
}

/// The complete list behind a kind of problem.
pub(super) fn list_href(kind: ProblemKind) -> Option<String> {
    let open = MessageListUrl {
        resent: Some(false),
        ..MessageListUrl::default()
    };
    match kind {
        ProblemKind::Uncertain => Some(
            MessageListUrl {
                origin: Some(Origin::Api),
                ..open.with_states(&[DeliveryState::Uncertain])
            }
            .href(),
        ),
        ProblemKind::Overdue => Some(
            MessageListUrl {
                overdue: true,
                ..open
            }
            .href(),
        ),
        ProblemKind::Conflicts => Some(
            MessageListUrl {
                conflict: true,
                ..open
            }
            .href(),
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
        let items: Vec<ProblemItem> = match &list.items {
            ProblemItems::Accounts(paused) => paused
                .iter()
                .map(|(account, pause)| ProblemItem {
                    title: account.to_string(),
                    href: Some("/accounts".to_owned()),
                    at: Some(TimeElement::new(pause.since)),
                    details: vec![viewer.quoted(&pause.reason)],
                    resume: for_operator(viewer, format!("/accounts/{account}/resume")),
                    ..ProblemItem::default()
                })
                .collect(),
            ProblemItems::Messages(messages) => messages
                .iter()
                .map(|message| message_item(list.kind, message, viewer))
                .collect(),
            ProblemItems::Orphans(orphans) => orphans
                .iter()
                .map(|orphan| orphan_item(orphan, viewer))
                .collect(),
            ProblemItems::IdConflicts(conflicts) => conflicts
                .iter()
                .map(|conflict| ProblemItem {
                    title: viewer.provider_id(&conflict.provider_id),
                    account: conflict.account.to_string(),
                    at: Some(TimeElement::new(conflict.seen_at)),
                    links: vec![
                        (
                            format!("{} has it", short_id(conflict.message)),
                            format!("/messages/{}", conflict.message),
                        ),
                        (
                            format!("{} also has it", short_id(conflict.claimant)),
                            format!("/messages/{}", conflict.claimant),
                        ),
                    ],
                    ..ProblemItem::default()
                })
                .collect(),
            ProblemItems::Quarantine(parts) => parts
                .iter()
                .map(|part| ProblemItem {
                    title: viewer.quoted(&part.reason),
                    href: Some(format!("/callbacks/{}", part.callback)),
                    account: part.account.to_string(),
                    at: Some(TimeElement::new(part.quarantined_at)),
                    details: parts_text(part).into_iter().collect(),
                    dismiss: for_operator(
                        viewer,
                        format!("/problems/callbacks/{}/put-aside", part.callback),
                    ),
                    ..ProblemItem::default()
                })
                .collect(),
            ProblemItems::Callbacks(callbacks) => callbacks
                .iter()
                .map(|callback| ProblemItem {
                    title: callback
                        .detail
                        .as_deref()
                        .map_or_else(|| "Callback".to_owned(), |text| viewer.quoted(text)),
                    href: Some(format!("/callbacks/{}", callback.callback)),
                    account: callback.account.to_string(),
                    at: Some(TimeElement::new(callback.received_at)),
                    ..ProblemItem::default()
                })
                .collect(),
            ProblemItems::Nothing => Vec::new(),
        };
        let shown = u64::try_from(items.len()).unwrap_or(u64::MAX);
        let rest = list.count.saturating_sub(shown);
        Self {
            id: list.kind.as_str(),
            title: list.kind.title(),
            count: count(list.count),
            why: list.kind.why(),
            next_step: list.kind.next_step(),
            more: (rest > 0 && list.items != ProblemItems::Nothing).then(|| {
                let text = format!(
                    "{} not shown here",
                    counted(rest, "older item", "older items")
                );
                (text, list_href(list.kind))
            }),
            items,
        }
    }
}

/// Which parts of a callback are unparseable.
fn parts_text(part: &QuarantinedPart) -> Option<String> {
    let number = part.part + 1;
    match part.parts {
        0 | 1 if part.part == 0 => None,
        0 | 1 => Some(format!("part {number} of its callback")),
        several => Some(format!(
            "{} of its callback cannot be parsed, first part {number}",
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

fn message_item(kind: ProblemKind, message: &Message, viewer: Visibility) -> ProblemItem {
    let href = format!("/messages/{}", message.id);
    let actions = AvailableActions::new(message);
    let allowed = |allowed: bool, verb: &str| {
        allowed
            .then(|| for_operator(viewer, format!("{href}/{verb}")))
            .flatten()
    };
    let details = [
        message.name.as_deref().map(|name| viewer.personal(name)),
        message.kind.map(|kind| kind.to_string()),
        Some(message.state.label().to_owned()),
        message
            .failure
            .as_ref()
            .map(|failure| failure_text(failure, viewer)),
    ];
    ProblemItem {
        title: recipient(message, viewer),
        account: message.account.to_string(),
        at: Some(TimeElement::new(message.created_at)),
        details: details.into_iter().flatten().collect(),
        resend: allowed(kind == ProblemKind::Uncertain && actions.resend, "resend"),
        mark_failed: allowed(
            kind != ProblemKind::Conflicts && actions.mark_failed,
            "mark-failed",
        ),
        dismiss: allowed(kind == ProblemKind::Conflicts, "put-aside"),
        href: Some(href),
        ..ProblemItem::default()
    }
}

fn orphan_item(orphan: &ListedOrphan, viewer: Visibility) -> ProblemItem {
    let message = &orphan.message;
    let stage = Stage::ALL
        .into_iter()
        .rev()
        .find(|stage| message.stage(*stage).is_some());
    let status = match (stage, &message.failure) {
        (_, Some(failure)) => Some(format!("failed: {}", failure_text(failure, viewer))),
        (Some(stage), None) => Some(format!("reported as {}", stage.as_str())),
        (None, None) => None,
    };
    let ids = orphan.ids.iter().map(|id| viewer.provider_id(id));
    ProblemItem {
        title: recipient(message, viewer),
        href: Some(format!("/messages/{}", message.id)),
        account: message.account.to_string(),
        at: Some(TimeElement::new(message.created_at)),
        details: status.into_iter().chain(ids).collect(),
        match_form: (viewer == Visibility::Full)
            .then(|| MatchForm::new(message.id, &orphan.suggestions, MatchFormPage::Problems)),
        dismiss: for_operator(viewer, format!("/messages/{}/put-aside", message.id)),
        ..ProblemItem::default()
    }
}
