//! `/messages/{id}`: what happened to one message, and why does it have its state?

use askama::Template;
use chrono::{DateTime, Utc};

use crate::domain::audit_action::Action;
use crate::domain::delivery::Delivery;
use crate::domain::delivery_state::{DeliveryState, QueueState};
use crate::domain::explanation::Explanation;
use crate::domain::ids::{MessageId, ProviderMessageId};
use crate::domain::message::{Message, Origin};
use crate::domain::provider::ProviderId;
use crate::domain::receipt::Receipt;
use crate::domain::scope::Visibility;
use crate::reporting::callback_views::ListedCallback;
use crate::store::attempts::Attempt;
use crate::web::dashboard::callbacks_page::{CallbackRow, short_id};
use crate::web::dashboard::explanation_section::{ExplanationSection, SentencePart};
use crate::web::dashboard::masked_text::MediaText;
use crate::web::dashboard::match_form::{MatchForm, MatchFormError, MatchFormPage};
use crate::web::dashboard::message_timeline::{TimelineEntry, attempts_label, timeline};
use crate::web::dashboard::messages_page::flags;
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::stage_stepper::{StageStep, steps};
use crate::web::dashboard::state_pill::StateIcon;
use crate::web::dashboard::time_element::TimeElement;
use crate::web::dashboard::visible_text::{visible_block, visible_line};

#[derive(Clone, Debug)]
pub struct MessagePageInput<'a> {
    pub message: &'a Message,
    /// The fold of the receipts.
    pub delivery: &'a Delivery,
    /// Already masked for the viewer.
    pub explanation: &'a Explanation,
    /// Oldest first.
    pub ids: &'a [ProviderMessageId],
    pub receipts: &'a [Receipt],
    pub attempts: &'a [Attempt],
    pub actions: &'a [Action],
    /// Callbacks with receipts of this message.
    pub callbacks: &'a [ListedCallback],
}

#[derive(Template, Clone, Debug)]
#[template(path = "message.html")]
pub struct MessagePage {
    pub(super) frame: Frame,
    id: MessageId,
    state: &'static str,
    icon: StateIcon,
    heading: &'static str,
    flags: Vec<&'static str>,
    explanation: ExplanationSection,
    recipient: String,
    name: Option<String>,
    account: String,
    provider: &'static str,
    steps: Vec<StageStep>,
    entries: Vec<TimelineEntry>,
    attempts: Vec<AttemptRow>,
    attempts_label: String,
    callbacks: Vec<CallbackRow>,
    details: Vec<(&'static str, String)>,
    media: Option<MediaText>,
    created: TimeElement,
    updated: TimeElement,
    ids: Vec<IdRow>,
    actions: AvailableActions,
    /// A match can be undone.
    unmatch: bool,
    /// The form that matches an orphan with a message.
    match_form: Option<MatchForm>,
    /// After a match was undone: short id and id of the messages that have the reports now.
    reports_now_at: Option<Vec<(String, String)>>,
}

#[derive(Clone, Debug)]
struct AttemptRow {
    number: i32,
    at: TimeElement,
    outcome: String,
    status: String,
    duration: String,
    detail: Option<String>,
    request: Option<String>,
    reply: Option<String>,
}

#[derive(Clone, Debug)]
struct IdRow {
    text: String,
    kind: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AvailableActions {
    pub(super) cancel: bool,
    pub(super) resend: bool,
    pub(super) mark_failed: bool,
}

impl AvailableActions {
    pub(super) fn new(message: &Message) -> Self {
        let sent_here = matches!(message.origin, Origin::Api);
        let state = message.state;
        Self {
            cancel: sent_here
                && message.queue == QueueState::Queued
                && state == DeliveryState::Queued,
            resend: sent_here
                && message.resent_as.is_none()
                && matches!(state, DeliveryState::Failed | DeliveryState::Uncertain),
            mark_failed: sent_here
                && matches!(
                    state,
                    DeliveryState::Uncertain | DeliveryState::Submitted | DeliveryState::Sent
                ),
        }
    }

    fn any(self) -> bool {
        self.cancel || self.resend || self.mark_failed
    }
}

impl MessagePage {
    pub fn new(input: &MessagePageInput<'_>, viewer: Visibility, now: DateTime<Utc>) -> Self {
        let message = input.message;
        let actions = match viewer {
            Visibility::Full => AvailableActions::new(message),
            Visibility::Masked => AvailableActions {
                cancel: false,
                resend: false,
                mark_failed: false,
            },
        };
        let recipient = message
            .recipient
            .as_deref()
            .map_or_else(|| "unknown recipient".to_owned(), |text| viewer.phone(text));
        Self {
            frame: Frame::in_section(
                NavigationSection::Messages,
                format!("Message to {recipient}"),
                Refresh::Live,
            ),
            id: message.id,
            state: message.state.as_str(),
            icon: StateIcon::of(message.state),
            heading: message.state.label(),
            flags: flags(message, now),
            explanation: ExplanationSection::new(input.explanation),
            recipient,
            name: message.name.as_deref().map(|name| viewer.personal(name)),
            account: message.account.to_string(),
            provider: message.provider.title(),
            steps: steps(message, input.delivery),
            entries: timeline(
                message,
                input.receipts,
                input.attempts,
                input.actions,
                viewer,
            ),
            attempts: input
                .attempts
                .iter()
                .map(|attempt| attempt_row(attempt, viewer))
                .collect(),
            attempts_label: attempts_label(input.attempts),
            callbacks: input.callbacks.iter().map(CallbackRow::new).collect(),
            details: details(message, viewer),
            media: message.media.as_ref().map(|media| viewer.media(media)),
            created: TimeElement::new(message.created_at),
            updated: TimeElement::new(message.updated_at),
            ids: input
                .ids
                .iter()
                .map(|id| id_row(id, message.provider, viewer))
                .collect(),
            actions,
            unmatch: viewer == Visibility::Full && message.matched_by.is_some(),
            match_form: None,
            reports_now_at: None,
        }
    }

    /// Adds the form that matches this orphan with a message.
    pub(super) fn with_match_form(mut self, suggestions: &[MessageId]) -> Self {
        self.match_form = Some(MatchForm::new(self.id, suggestions, MatchFormPage::Report));
        self
    }

    /// Shows why the last attempt to match failed. The page does not refresh then.
    pub(super) fn with_match_error(mut self, error: &MatchFormError) -> Self {
        let title = self.frame.title.clone();
        self.frame = Frame::in_section(NavigationSection::Messages, title, Refresh::Never);
        if let Some(form) = &mut self.match_form {
            form.show_error(error);
        }
        self
    }

    /// Shows where the reports are after a match was undone.
    pub(super) fn with_reports_now_at(mut self, ids: &[MessageId]) -> Self {
        self.reports_now_at = Some(
            ids.iter()
                .map(|id| (short_id(*id), id.to_string()))
                .collect(),
        );
        self
    }
}

fn attempt_row(attempt: &Attempt, viewer: Visibility) -> AttemptRow {
    let shown = |text: &str| match viewer {
        Visibility::Full => Some(visible_block(text)),
        Visibility::Masked => None,
    };
    AttemptRow {
        number: attempt.number,
        at: TimeElement::new(attempt.started_at),
        outcome: attempt.outcome.as_str().to_owned(),
        status: attempt
            .http_status
            .map_or_else(|| "–".to_owned(), |status| status.to_string()),
        duration: attempt
            .duration_ms
            .map_or_else(|| "–".to_owned(), |ms| format!("{ms} ms")),
        detail: attempt.detail.as_deref().map(|text| viewer.quoted(text)),
        request: shown(&attempt.request),
        reply: attempt.reply.as_deref().and_then(shown),
    }
}

fn details(message: &Message, viewer: Visibility) -> Vec<(&'static str, String)> {
    let pricing = &message.pricing;
    let references = &message.references;
    let line = |text: &Option<String>| text.as_deref().map(visible_line);
    let media = message.media.as_ref();
    [
        (
            "From",
            message.sender.as_deref().map(|text| viewer.phone(text)),
        ),
        ("Kind", message.kind.map(|kind| kind.as_str().to_owned())),
        ("Type", media.and_then(|media| line(&media.mime_type))),
        (
            "Caption",
            media
                .and_then(|media| media.caption.as_deref())
                .map(|text| viewer.personal(text)),
        ),
        ("ref", line(&references.reference)),
        ("ref1", line(&references.reference1)),
        ("ref2", line(&references.reference2)),
        ("Client reference", line(&message.client_reference)),
        ("wa_source", line(&message.options.wa_source)),
        ("source", line(&message.options.source)),
        (
            "linkWithRecord",
            message
                .options
                .link_with_record
                .map(|link| link.to_string()),
        ),
        (
            "Billable",
            pricing
                .billable
                .map(|billable| if billable { "yes" } else { "no" }.to_owned()),
        ),
        ("Pricing", line(&pricing.category)),
        ("Price", line(&pricing.price)),
    ]
    .into_iter()
    .filter_map(|(label, value)| Some((label, value?)))
    .collect()
}

fn id_row(id: &ProviderMessageId, provider: ProviderId, viewer: Visibility) -> IdRow {
    IdRow {
        text: viewer.provider_id(id),
        kind: if id.is_wamid() {
            "WhatsApp"
        } else {
            provider.title()
        },
    }
}
