//! The items on the problems page: what each is about, and the forms to act on it.

use crate::domain::message::Message;
use crate::domain::scope::Visibility;
use crate::reporting::number_format::counted;
use crate::reporting::orphan_views::ListedOrphan;
use crate::reporting::problem_items::{ProblemItems, ProblemList};
use crate::reporting::problem_kind::ProblemKind;
use crate::store::quarantine::QuarantinedPart;
use crate::web::dashboard::match_form::{MatchForm, MatchFormPage};
use crate::web::dashboard::message_summary::{
    AvailableActions, failure_text, recipient_text, short_id,
};
use crate::web::dashboard::time_element::TimeElement;

#[derive(Clone, Debug, Default)]
pub(super) struct ProblemItem {
    pub(super) title: String,
    pub(super) href: Option<String>,
    pub(super) account: String,
    pub(super) at: Option<TimeElement>,
    pub(super) details: Vec<String>,
    /// Text and URL of related pages.
    pub(super) links: Vec<(String, String)>,
    pub(super) resume: Option<String>,
    pub(super) resend: Option<String>,
    pub(super) mark_failed: Option<String>,
    pub(super) match_form: Option<MatchForm>,
    pub(super) dismiss: Option<String>,
    /// The id of an orphan, which can be dismissed together with others.
    pub(super) selectable: Option<String>,
}

/// The items of one kind of problem, as `viewer` may see them.
pub(super) fn items_of(list: &ProblemList, viewer: Visibility) -> Vec<ProblemItem> {
    match &list.items {
        ProblemItems::Accounts(stopped) => stopped
            .iter()
            .map(|stopped| ProblemItem {
                title: stopped.account.to_string(),
                href: Some("/accounts".to_owned()),
                at: Some(TimeElement::new(stopped.since)),
                details: vec![viewer.quoted(&stopped.reason)],
                resume: for_operator(viewer, format!("/accounts/{}/resume", stopped.account)),
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
                        format!("id of {}", short_id(conflict.message)),
                        format!("/messages/{}", conflict.message),
                    ),
                    (
                        format!("also reported for {}", short_id(conflict.claimant)),
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
        title: recipient_text(message, viewer),
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
    let status = match (orphan.stage(), &message.failure) {
        (_, Some(failure)) => Some(format!("failed: {}", failure_text(failure, viewer))),
        (Some(stage), None) => Some(format!("reported as {}", stage.as_str())),
        (None, None) => None,
    };
    let ids = orphan.ids.iter().map(|id| viewer.provider_id(id));
    ProblemItem {
        title: recipient_text(message, viewer),
        href: Some(format!("/messages/{}", message.id)),
        account: message.account.to_string(),
        at: Some(TimeElement::new(message.created_at)),
        details: status.into_iter().chain(ids).collect(),
        match_form: (viewer == Visibility::Full)
            .then(|| MatchForm::new(message.id, &orphan.suggestions, MatchFormPage::Problems)),
        dismiss: for_operator(viewer, format!("/messages/{}/put-aside", message.id)),
        selectable: for_operator(viewer, message.id.to_string()),
        ..ProblemItem::default()
    }
}
